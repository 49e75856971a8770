"""Changing the key of an installation while its services work.

Every host has to know a key before any host encrypts with it, and none may encrypt with the old one when it goes:

    KNOWN      the key file has a new key, not yet used
    IN_USE     new secrets are encrypted with it
    DONE       everything stored is encrypted with it, the old key is gone

With one host, or a key file that all hosts share, one call does all; with several each call does one step, and the
file is copied to the other hosts in between. A call that was interrupted is simply made again.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from coriolis.errors import Conflict
from coriolis.store.database import Database
from coriolis.store.key_file import KeyFile, new_key, read_key_file, replace_key_file
from coriolis.store.keys import KeyRing
from coriolis.store.reencryption import reencrypt

# A transaction that encrypted before it saw the new file has ended by then (see store.connection).
SETTLE_SECONDS = 12.0
_SWEEPS = 10


class Stage(StrEnum):
    KNOWN = "known"
    IN_USE = "in use"
    DONE = "done"


def rotate(
    database: Database, path: Path, *, step_by_step: bool, settle_seconds: float = SETTLE_SECONDS
) -> Stage:
    """Raises SecretsUnreadable, or Conflict when another rotation is going on, or services go on using the old
    key."""
    with _alone(path):
        while True:
            stage = _step(database, path, settle_seconds)
            if step_by_step or stage is Stage.DONE:
                return stage


def _step(database: Database, path: Path, settle_seconds: float) -> Stage:
    present = read_key_file(path)
    if present.upcoming is not None:
        replace_key_file(path, KeyFile((present.upcoming, *present.keys)))
        return Stage.IN_USE
    if len(present.keys) == 1:
        replace_key_file(path, KeyFile(present.keys, new_key()))
        return Stage.KNOWN
    _sweep(database, path, settle_seconds)
    replace_key_file(path, KeyFile(present.keys[:1]))
    return Stage.DONE


def _sweep(database: Database, path: Path, settle_seconds: float) -> None:
    """Returns when a whole look, a while after the last, found nothing of an older key."""
    keyring = KeyRing(path)
    reencrypt(database, keyring)
    for _ in range(_SWEEPS):
        time.sleep(settle_seconds)
        if not reencrypt(database, keyring):
            return
    raise Conflict(
        message="Some service goes on encrypting with the old key, which is kept: give all hosts this key file, "
        "then run the rotation again."
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(message="Another rotation of this key file is going on.") from None
        yield
