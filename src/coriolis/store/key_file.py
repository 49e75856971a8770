"""The file of an installation's keys: one Fernet key per line, the first one encrypts, all of them decrypt.

next V6b0…=     known, but not yet used: first all hosts have to know it
q3Fz…=          encrypts
pL0s…=          of before; still decrypts
"""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from coriolis.errors import SecretsUnreadable

_NEXT = "next"


@dataclass(frozen=True, slots=True)
class KeyFile:
    keys: tuple[str, ...]
    upcoming: str | None = None

    def fernets(self) -> list[Fernet]:
        """The one that encrypts first."""
        known = self.keys if self.upcoming is None else (*self.keys, self.upcoming)
        return [Fernet(key) for key in known]

    def __repr__(self) -> str:
        return f"KeyFile({len(self.keys)} keys, upcoming={self.upcoming is not None})"


def read_key_file(path: Path) -> KeyFile:
    """Raises SecretsUnreadable when it is not there or holds anything else than keys."""
    keys: list[str] = []
    upcoming = None
    try:
        for line in path.read_text().splitlines():
            match line.split():
                case []:
                    continue
                case [word, key] if word == _NEXT:
                    upcoming = key
                case [key]:
                    keys.append(key)
                case _:
                    raise SecretsUnreadable(path=path, reason="it does not hold a key")
        found = KeyFile(tuple(keys), upcoming)
        found.fernets()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretsUnreadable(path=path, reason=f"it cannot be read: {_reason(error)}") from error
    except ValueError as error:
        raise SecretsUnreadable(path=path, reason="it does not hold a key") from error
    if not found.keys:
        raise SecretsUnreadable(path=path, reason="it does not hold a key")
    return found


def create_key_file(path: Path) -> None:
    """With one new key, mode 0600. Linked into place, so that two processes starting at once agree on one key,
    and a crash leaves no half key."""
    draft = _draft(path, KeyFile((new_key(),)))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def replace_key_file(path: Path, content: KeyFile) -> None:
    """Keeps owner and mode; a crash leaves the old or the new one."""
    before = path.stat()
    draft = _draft(path, content)
    os.chown(draft, before.st_uid, before.st_gid)
    draft.chmod(before.st_mode & 0o777)
    draft.replace(path)


def new_key() -> str:
    return Fernet.generate_key().decode()


def _draft(path: Path, content: KeyFile) -> Path:
    lines = [*content.keys] if content.upcoming is None else [f"{_NEXT} {content.upcoming}", *content.keys]
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    return draft


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is not text"
