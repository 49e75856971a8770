"""The keys of this installation, and what is encrypted with them.

Whoever holds the database without the key file learns no secret; a backup needs both.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from coriolis.errors import SecretsUnreadable
from coriolis.model.secret import SecretCodec
from coriolis.store.key_file import create_key_file, read_key_file

KEY_FILE = "secrets.key"
_SENSITIVE = ("password", "passphrase", "secret", "key", "keyring", "token")


class KeyRing:
    """The keys of a file, read again whenever it changes. Thread-safe.

    What once was a key goes on decrypting until the process ends: rows that were read before a rotation ended
    are still in memory.
    """

    def __init__(self, path: Path) -> None:
        """Raises SecretsUnreadable."""
        self.path = path
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._fernets: list[Fernet] = []
        self._look()

    @property
    def codec(self) -> SecretCodec:
        return SecretCodec(encrypt=self.encrypt, decrypt=self.decrypt)

    def encrypt(self, text: str) -> str:
        return self._look()[0].encrypt(text.encode()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """Raises SecretsUnreadable."""
        for fernet in self._look():
            try:
                return fernet.decrypt(ciphertext.encode()).decode()
            except InvalidToken:
                continue
        raise SecretsUnreadable(path=self.path, reason="the database was written with another key")

    def is_current(self, ciphertext: str) -> bool:
        """Whether the key that encrypts now made it."""
        try:
            self._look()[0].decrypt(ciphertext.encode())
        except InvalidToken:
            return False
        return True

    def _look(self) -> list[Fernet]:
        """Raises SecretsUnreadable; a file that is away for a moment changes nothing."""
        with self._lock:
            try:
                status = self.path.stat()
            except OSError:
                if self._fernets:
                    return self._fernets
                raise SecretsUnreadable(path=self.path, reason="it is not there") from None
            if self._version != (version := (status.st_ino, status.st_mtime_ns)):
                self._fernets = read_key_file(self.path).fernets() + self._fernets
                self._version = version
            return self._fernets


def open_codec(state_dir: Path) -> SecretCodec:
    """Of the key file in a state directory; makes it at the first start (mode 0600). Raises SecretsUnreadable when
    it is not a key."""
    return open_keyring(state_dir / KEY_FILE, create=True).codec


def open_keyring(path: Path, *, create: bool) -> KeyRing:
    if create and not path.exists():
        create_key_file(path)
    return KeyRing(path)


def protect(value: Any, codec: SecretCodec, *, sensitive: bool = False) -> Any:
    """A copy of a JSON value with every text under a sensitive name as `{"secret": ciphertext}`, at any
    depth."""
    if isinstance(value, Mapping):
        return {k: protect(v, codec, sensitive=sensitive or _is_sensitive(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [protect(item, codec, sensitive=sensitive) for item in value]
    if sensitive and isinstance(value, str):
        return {"secret": codec.encrypt(value)}
    return value


def reveal(value: Any, codec: SecretCodec) -> Any:
    """The inverse of `protect`."""
    if is_ciphertext(value):
        return codec.decrypt(value["secret"])
    if isinstance(value, Mapping):
        return {k: reveal(v, codec) for k, v in value.items()}
    if isinstance(value, list):
        return [reveal(item, codec) for item in value]
    return value


def is_ciphertext(value: Any) -> bool:
    """Whether it is what stands for a secret in a stored JSON value."""
    return isinstance(value, Mapping) and set(value) == {"secret"} and isinstance(value["secret"], str)


def _is_sensitive(name: object) -> bool:
    return any(word in str(name).lower() for word in _SENSITIVE)
