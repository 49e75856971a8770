"""Signatures of leaf lists: who can write to the state directory, but has no key of the installation, cannot make
a replica pass for what it is not.

The signing key is derived from a key of the installation (HKDF, RFC 5869) and good for nothing else, so it is
all that the transfer child is given.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coriolis.model.secret import Secret

_PURPOSE = b"coriolis leaf list signature 1"
_KEY_BYTES = 32

SigningKeys = tuple[Secret, ...]
"""The first one signs, all of them verify; none: nothing is signed, and nothing asked for."""


def derive_signing_keys(installation_keys: Sequence[str]) -> SigningKeys:
    """From Fernet keys (URL-safe base64 of 32 random bytes), in their order."""
    return tuple(Secret(_derive(urlsafe_b64decode(key)).hex()) for key in installation_keys)


def _derive(material: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(material)


def sign(content: bytes, keys: SigningKeys) -> str:
    """Hex HMAC-SHA256; "" without a key."""
    return _mac(content, keys[0]) if keys else ""


def is_signed(content: bytes, signature: str, keys: SigningKeys) -> bool:
    return not keys or any(hmac.compare_digest(_mac(content, key), signature) for key in keys)


def _mac(content: bytes, key: Secret) -> str:
    return hmac.new(bytes.fromhex(key.reveal()), content, hashlib.sha256).hexdigest()
