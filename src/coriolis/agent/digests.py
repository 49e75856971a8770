"""Leaf digests, leaf lists and their root."""

import ctypes
import hashlib
import json
import time
from typing import Any, Callable, Dict, NamedTuple

from coriolis.agent import gmac
from coriolis.agent.frames import DIGEST_BYTES, FRAME_BYTES, Geometry, ProtocolError

_PAGE_BYTES = 65536 * DIGEST_BYTES
SAMPLE_BYTES = 1 << 18

Hasher = Callable[[Any], bytes]

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_ZEROS = ctypes.create_string_buffer(FRAME_BYTES)
_ZEROS_ADDRESS = ctypes.addressof(_ZEROS)


def _sha256(data: Any) -> bytes:
    return hashlib.sha256(data).digest()[:DIGEST_BYTES]


def _blake2b(data: Any) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()[:DIGEST_BYTES]


ALGORITHMS: Dict[str, Hasher] = {"sha256": _sha256, "blake2b": _blake2b}
"""What every worker has."""

KEYED = "gmac"


def kind_of(algorithm: str) -> str:
    """What a worker must have for it. The name of a keyed algorithm goes on after a dash, with what tells the
    conductor which key.
    """
    return algorithm.split("-", 1)[0]


def hasher(algorithm: str, key: bytes = b"") -> Hasher:
    """`key` is for keyed algorithms. Raises ProtocolError for what this machine does not have."""
    if kind_of(algorithm) == KEYED and gmac.SUPPORTED and len(key) == gmac.KEY_BYTES:
        return gmac.Gmac(key)
    if algorithm not in ALGORITHMS:
        raise ProtocolError(f"there is no digest algorithm {algorithm!r} here, or its key is missing")
    return ALGORITHMS[algorithm]


def rates() -> Dict[str, float]:
    """MB a CPU second of each kind of algorithm on this machine, over 64 KiB leaves; the best of three short looks.

    SHA-256 without SHA instructions is slower than BLAKE2b (430 against 830 MB/s measured), with them twice
    as fast; where there are AES instructions GMAC beats both by far.
    """
    leaf = bytes(65536)
    best = {}
    functions = dict(ALGORITHMS)
    if gmac.SUPPORTED:
        functions[KEYED] = gmac.Gmac(bytes(gmac.KEY_BYTES))
    for name, function in functions.items():
        seconds = []
        for _ in range(3):
            began = time.process_time()
            for _ in range(SAMPLE_BYTES // len(leaf)):
                function(leaf)
            seconds.append(time.process_time() - began)
        best[name] = round(SAMPLE_BYTES / max(min(seconds), 1e-6) / 1e6, 1)
    return best


def is_zero(address: int, length: int) -> bool:
    """memcmp stops at the first byte that differs and runs at memory speed; slices and count() are 10 times
    slower.
    """
    return not _memcmp(address, _ZEROS_ADDRESS, length)


class Method(NamedTuple):
    """How the leaves of a disk are hashed: `algorithm` by its full name, `key` if that wants one."""

    geometry: Geometry
    algorithm: str
    key: bytes = b""

    @classmethod
    def ordered(cls, geometry: Geometry, start: Dict[str, Any]) -> "Method":
        """From a second HELLO."""
        return cls(geometry, str(start["algorithm"]), bytes.fromhex(start.get("key", "")))

    @property
    def orders(self) -> Dict[str, str]:
        """For a second HELLO."""
        return {"algorithm": self.algorithm, "key": self.key.hex()}

    def __repr__(self) -> str:
        return f"Method({self.geometry!r}, {self.algorithm!r})"

    def hasher(self) -> Hasher:
        return hasher(self.algorithm, self.key)

    def zeros(self) -> "ZeroDigests":
        return ZeroDigests(self.geometry, self.algorithm, self.key)

    def root(self, leaves: Any) -> str:
        return root(self.geometry, self.algorithm, leaves)


class ZeroDigests:
    """What leaves full of zeros hash to: the whole ones, and the disk's last one, which may be short."""

    def __init__(self, geometry: Geometry, algorithm: str, key: bytes = b"") -> None:
        function = hasher(algorithm, key)
        self.geometry = geometry
        self.whole = function(bytes(geometry.leaf))
        self.last = function(bytes(geometry.size - (geometry.leaves - 1) * geometry.leaf))

    def of(self, first: int, count: int) -> bytes:
        """The digests of leaves `first` to `first + count - 1`."""
        if first + count == self.geometry.leaves:
            return self.whole * (count - 1) + self.last
        return self.whole * count


class Root:
    """The digest of a disk's content: hex SHA-256 over its geometry and the SHA-256 of each page of its leaf
    list, which may come in pieces.

    Equal content gives an equal root, whatever run or disk it comes from.
    """

    def __init__(self, geometry: Geometry, algorithm: str) -> None:
        description = {"alg": algorithm, "dl": DIGEST_BYTES, "leaf": geometry.leaf, "size": geometry.size}
        self._total = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
        self._page = hashlib.sha256()
        self._left = _PAGE_BYTES

    def update(self, leaves: Any) -> None:
        view = memoryview(leaves)
        while view:
            piece = view[: self._left]
            self._page.update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]
            if not self._left:
                self._end_page()

    def _end_page(self) -> None:
        self._total.update(self._page.digest())
        self._page = hashlib.sha256()
        self._left = _PAGE_BYTES

    def hexdigest(self) -> str:
        """Call it once, at the end."""
        if self._left < _PAGE_BYTES:
            self._end_page()
        return self._total.hexdigest()


def root(geometry: Geometry, algorithm: str, leaves: Any) -> str:
    """Of a whole leaf list."""
    whole = Root(geometry, algorithm)
    whole.update(leaves)
    return whole.hexdigest()
