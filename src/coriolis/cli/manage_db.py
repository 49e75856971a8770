"""coriolis-manage db upgrade | check"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from coriolis.config import Settings
from coriolis.store.connection import database_url, open_engine
from coriolis.store.migrate import Revisions, Standing, revisions, upgrade

_EXIT_CODES = {Standing.CURRENT: 0, Standing.EMPTY: 1, Standing.BEHIND: 1, Standing.TOO_NEW: 2}
_ADVICE = {
    Standing.CURRENT: "nothing to do",
    Standing.EMPTY: "run: coriolis-manage db upgrade",
    Standing.BEHIND: "stop the services of the old version, then run: coriolis-manage db upgrade",
    Standing.TOO_NEW: "start the version of Coriolis that upgraded it, or restore a backup",
}


def add_commands(nouns: Any) -> None:
    verbs = nouns.add_parser("db", help="The tables.").add_subparsers(required=True, metavar="COMMAND")
    command = verbs.add_parser("upgrade", help="Make the tables, or bring them to this version.")
    command.set_defaults(run=_upgrade)
    command = verbs.add_parser("check", help="Exit with 0: up to date, 1: behind or empty, 2: too new.")
    command.set_defaults(run=_check)


def _upgrade(settings: Settings, _parsed: argparse.Namespace) -> int:
    """Raises DatabaseTooNew."""
    with _engine(settings) as engine:
        before = _look(engine)
        upgrade(engine)
        after = _look(engine)
    if before.present == after.present:
        print(f"The database is at revision {after.present} already.")
    else:
        print(f"Upgraded the database from {before.present or 'nothing'} to revision {after.present}.")
    return 0


def _check(settings: Settings, _parsed: argparse.Namespace) -> int:
    with _engine(settings) as engine:
        found = _look(engine)
    print(
        f"The database is {found.standing}: it is at revision {found.present or 'none'}, this version needs "
        f"{found.wanted}; {_ADVICE[found.standing]}."
    )
    return _EXIT_CODES[found.standing]


@contextmanager
def _engine(settings: Settings) -> Iterator[sa.Engine]:
    """That lets a statement take its time."""
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = open_engine(database_url(settings), settings.database, patient=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _look(engine: sa.Engine) -> Revisions:
    with engine.connect() as connection:
        return revisions(connection)
