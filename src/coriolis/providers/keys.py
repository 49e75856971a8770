"""Key pairs for worker VMs, made here so that no cloud ever sees a private key."""

from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coriolis.model.secret import Secret


@dataclass(frozen=True, slots=True)
class KeyPair:
    """`public` is an authorized_keys line without comment; `private` is OpenSSH PEM."""

    public: str
    private: Secret


def new_key_pair() -> KeyPair:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return KeyPair(public.decode(), Secret(private.decode()))
