"""A keyed digest that AES instructions make ten times as fast as BLAKE2b: AES-GMAC, and a keyed BLAKE2b over it.

GMAC's GHASH is a polynomial over the message with a secret point, so two messages of n blocks collide under one key in
(n + 1) of 2^128 cases (NIST SP 800-38D; leaves of 64 KiB: 2^-116), whoever chose them without knowing the key. All tags
are made under one nonce, which would give the point away to whoever sees two of them. Nobody does: what leaves this
module is BLAKE2b of the tag under another key, a pseudorandom function, so it tells of two leaves only whether they are
equal. Why that is enough: docs/decisions/0012.

libcrypto is that which this Python's own hashlib is linked with, so it is there wherever `ssl` is.
"""

import ctypes
import errno
import hashlib
import importlib.util
import threading
from typing import Any, Optional

KEY_BYTES = 48  # 16 for AES, 32 for BLAKE2b
_AES_BYTES = 16
_TAG_BYTES = 16
_NONCE = bytes(12)
_GET_TAG = 0x10  # EVP_CTRL_AEAD_GET_TAG
_KNOWN_MESSAGE = bytes(range(256)) * 17
_KNOWN_DIGEST = "805bed9fce20744452f1be54553a23b2"


class _Library:
    """`long` drops the interpreter lock, for what takes a while; `short` keeps it."""

    def __init__(self, path: Optional[str]) -> None:
        """Raises OSError and AttributeError where it is not a libcrypto with GCM."""
        self.long = ctypes.CDLL(path)
        self.short = ctypes.PyDLL(path)
        pointer = ctypes.c_void_p
        self.long.EVP_EncryptUpdate.argtypes = [pointer, pointer, pointer, pointer, ctypes.c_int]
        self.short.EVP_EncryptInit_ex.argtypes = [pointer] * 5
        self.short.EVP_EncryptFinal_ex.argtypes = [pointer] * 3
        self.short.EVP_CIPHER_CTX_ctrl.argtypes = [pointer, ctypes.c_int, ctypes.c_int, pointer]
        self.short.EVP_CIPHER_CTX_free.argtypes = [pointer]
        self.short.EVP_CIPHER_CTX_free.restype = None
        self.short.EVP_CIPHER_CTX_new.restype = pointer
        self.short.EVP_aes_128_gcm.restype = pointer


def _load() -> Optional[_Library]:
    found = importlib.util.find_spec("_hashlib")
    try:
        return None if found is None else _Library(found.origin)
    except (OSError, AttributeError):  # e.g. an interpreter that has it built in
        return None


_LIBRARY = _load()


class Gmac:
    """A digest function under one key of KEY_BYTES; for many threads at once."""

    def __init__(self, key: bytes) -> None:
        if _LIBRARY is None or len(key) != KEY_BYTES:
            raise ValueError("no libcrypto, or a key of another length")
        self._library = _LIBRARY
        self._aes_key = key[:_AES_BYTES]
        self._outer_key = key[_AES_BYTES:]
        self._local = threading.local()

    def __call__(self, data: Any) -> bytes:
        """16 bytes. `data` is bytes, or writable memory of at least one byte."""
        context: Optional[_Context] = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = _Context(self._library, self._aes_key)
        return hashlib.blake2b(context.tag(data), key=self._outer_key, digest_size=_TAG_BYTES).digest()


class _Context:
    """One thread's cipher context."""

    def __init__(self, library: _Library, key: bytes) -> None:
        self._long, self._short = library.long, library.short
        self._context = ctypes.c_void_p(self._short.EVP_CIPHER_CTX_new())
        self._length = ctypes.c_int()
        self._tag = ctypes.create_string_buffer(_TAG_BYTES)
        cipher = ctypes.c_void_p(self._short.EVP_aes_128_gcm())
        _require(self._short.EVP_EncryptInit_ex(self._context, cipher, None, key, None))

    def tag(self, data: Any) -> bytes:
        """All of `data` is authenticated, none encrypted."""
        context, count = self._context, ctypes.byref(self._length)
        memory = data if isinstance(data, bytes) else ctypes.byref(ctypes.c_char.from_buffer(data))
        _require(self._short.EVP_EncryptInit_ex(context, None, None, None, _NONCE))
        _require(self._long.EVP_EncryptUpdate(context, None, count, memory, len(data)))
        _require(self._short.EVP_EncryptFinal_ex(context, self._tag, count))
        _require(self._short.EVP_CIPHER_CTX_ctrl(context, _GET_TAG, _TAG_BYTES, self._tag))
        return self._tag.raw

    def __del__(self) -> None:
        self._short.EVP_CIPHER_CTX_free(self._context)


def _require(status: int) -> None:
    if status != 1:
        raise OSError(errno.ENOTSUP, "libcrypto refuses AES-GMAC")


def _works() -> bool:
    """Whether this libcrypto gives the digest it should."""
    try:
        return Gmac(bytes(range(KEY_BYTES)))(_KNOWN_MESSAGE).hex() == _KNOWN_DIGEST
    except (ValueError, OSError):
        return False


SUPPORTED = _works()
