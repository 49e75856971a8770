"""Whether the key file of this host is the one that the database was written with, told at the start."""

from pathlib import Path

import sqlalchemy as sa

from coriolis.errors import SecretsUnreadable
from coriolis.store.connection import writing
from coriolis.store.keys import KeyRing, open_keyring
from coriolis.store.tables import INSTALLATION

_NAME = "key_check"
_TEXT = "coriolis"


def open_checked_keyring(engine: sa.Engine, path: Path) -> KeyRing:
    """Makes the key file for a database that was never used, on the first host that opens it. Raises
    SecretsUnreadable for another key than the database's, and for a key file that is missing."""
    stored = _stored(engine)
    if stored is not None and not path.exists():
        raise SecretsUnreadable(path=path, reason="it is not there; copy it from a host that has it")
    keyring = open_keyring(path, create=True)
    if stored is None:
        stored = _store(engine, keyring.encrypt(_TEXT))
    keyring.decrypt(stored)
    return keyring


def _stored(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        return connection.scalar(sa.select(INSTALLATION.c.value).where(INSTALLATION.c.name == _NAME))


def _store(engine: sa.Engine, ciphertext: str) -> str:
    """What is stored then: of two hosts that start at once, the first one's."""
    try:
        with writing(engine).begin() as connection:
            connection.execute(sa.insert(INSTALLATION).values(name=_NAME, value=ciphertext))
    except sa.exc.IntegrityError:
        stored = _stored(engine)
        if stored is None:
            raise
        return stored
    return ciphertext
