"""The key of this installation, and what is encrypted with it.

Whoever holds the database without the key file learns no secret; a backup needs both.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from coriolis.errors import SecretsUnreadable
from coriolis.model.secret import SecretCodec

KEY_FILE = "secrets.key"
_SENSITIVE = ("password", "passphrase", "secret", "key", "keyring", "token")


def open_codec(state_dir: Path) -> SecretCodec:
    """Makes the key file at the first start (mode 0600). Raises SecretsUnreadable when it is not a key."""
    path = state_dir / KEY_FILE
    if not path.exists():
        _create(path)
    try:
        fernet = Fernet(path.read_bytes().strip())
    except ValueError as error:
        raise SecretsUnreadable(path=path, reason="it does not hold a key") from error

    def decrypt(ciphertext: str) -> str:
        try:
            return fernet.decrypt(ciphertext.encode()).decode()
        except InvalidToken as error:
            raise SecretsUnreadable(path=path, reason="the database was written with another key") from error

    return SecretCodec(encrypt=lambda text: fernet.encrypt(text.encode()).decode(), decrypt=decrypt)


def _create(path: Path) -> None:
    """Written aside and linked into place, so that two processes starting at once agree on one key, and a
    crash leaves no half key."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    with draft.open("wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


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
    if isinstance(value, Mapping):
        if set(value) == {"secret"} and isinstance(value["secret"], str):
            return codec.decrypt(value["secret"])
        return {k: reveal(v, codec) for k, v in value.items()}
    if isinstance(value, list):
        return [reveal(item, codec) for item in value]
    return value


def _is_sensitive(name: object) -> bool:
    return any(word in str(name).lower() for word in _SENSITIVE)
