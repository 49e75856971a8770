"""Key pairs for worker VMs, made here so that no cloud ever sees a private key."""

from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coriolis.model.secret import Secret


@dataclass(frozen=True, slots=True)
class KeyPair:
    """`public` is an authorized_keys line without comment; `private` is OpenSSH PEM."""

    public: str
    private: Secret


def new_key_pair() -> KeyPair:
    return _as_pair(Ed25519PrivateKey.generate())


def new_rsa_key_pair() -> KeyPair:
    """For what is encrypted with the public key: Ed25519 only signs."""
    return _as_pair(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _as_pair(key: Ed25519PrivateKey | rsa.RSAPrivateKey) -> KeyPair:
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return KeyPair(public.decode(), Secret(private.decode()))
