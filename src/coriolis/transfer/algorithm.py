"""Which digest a list is made with; it stays that of the list as long as the list has successors.

sha256, blake2b         anybody can compute them
gmac-<salt>-<check>     `coriolis.agent.gmac`, where it is by far the fastest. Its key is derived (HKDF, RFC 5869) from
                        a key of the installation and the list's own salt, so none is stored; `check` tells which of
                        the installation's keys it was.
"""

import secrets
from collections.abc import Mapping

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coriolis.agent.digests import ALGORITHMS, KEYED, Method, kind_of
from coriolis.agent.frames import Geometry
from coriolis.agent.gmac import KEY_BYTES, SUPPORTED
from coriolis.model.secret import Secret
from coriolis.transfer.signing import SigningKeys

FAST_ENOUGH = 700.0
"""MB a second; SHA-256 reaches 1500 with SHA instructions and 430 without, BLAKE2b 830 either way."""

KEYED_GAIN = 1.5
"""How much faster a keyed digest has to be: a list that anybody can check is worth something too."""

_PURPOSE = b"coriolis leaf digest key 1"
_SALT_BYTES = 8
_CHECK_BYTES = 4

Rates = Mapping[str, float]
"""MB a second of each kind of algorithm that an end has."""


class UnknownDigestKeyError(Exception):
    """A list's digests cannot be computed any more: its key was made from one that was rotated out."""


def choose_method(
    geometry: Geometry,
    source: Rates,
    destination: Rates,
    keys: SigningKeys = (),
    *,
    wanted: str | None = None,
) -> Method:
    """The one that is `wanted`; else the keyed one where both ends and this machine have it and it takes much less
    time."""
    if wanted in ALGORITHMS:
        return Method(geometry, wanted)
    plain = _choose_plain(source, destination)
    if not keys or not SUPPORTED or any(KEYED not in rates for rates in (source, destination)):
        return Method(geometry, plain)
    if _seconds(KEYED, source, destination) * KEYED_GAIN > _seconds(plain, source, destination):
        return Method(geometry, plain)
    salt = secrets.token_bytes(_SALT_BYTES)
    key, check = _derive(keys[0], salt)
    return Method(geometry, f"{KEYED}-{salt.hex()}-{check.hex()}", key)


def known_method(geometry: Geometry, algorithm: str, keys: SigningKeys) -> Method:
    """That of an existing list. Raises UnknownDigestKeyError."""
    if kind_of(algorithm) != KEYED:
        return Method(geometry, algorithm)
    try:
        salt, check = (bytes.fromhex(part) for part in algorithm.split("-")[1:])
    except ValueError:
        raise UnknownDigestKeyError(f"{algorithm!r} names no key") from None
    for known in keys:
        key, found = _derive(known, salt)
        if found == check:
            return Method(geometry, algorithm, key)
    raise UnknownDigestKeyError("its digests were made with a key that is none of this installation any more")


def _choose_plain(source: Rates, destination: Rates) -> str:
    """SHA-256, unless both ends are slow at it and BLAKE2b takes less time for the two together."""
    if any(end["sha256"] >= FAST_ENOUGH for end in (source, destination)):
        return "sha256"
    return min(ALGORITHMS, key=lambda name: _seconds(name, source, destination))


def _seconds(name: str, *ends: Rates) -> float:
    """A MB, hashed at both ends."""
    return sum(1 / end[name] for end in ends)


def _derive(known: Secret, salt: bytes) -> tuple[bytes, bytes]:
    length = KEY_BYTES + _CHECK_BYTES
    derivation = HKDF(algorithm=SHA256(), length=length, salt=salt, info=_PURPOSE)
    made = derivation.derive(bytes.fromhex(known.reveal()))
    return made[:KEY_BYTES], made[KEY_BYTES:]
