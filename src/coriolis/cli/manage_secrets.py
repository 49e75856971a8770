"""coriolis-manage secrets check | rotate"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coriolis.config import Settings
from coriolis.store.database import Database, open_database
from coriolis.store.keys import KeyRing
from coriolis.store.reencryption import take_census
from coriolis.store.rotation import SETTLE_SECONDS, Stage, rotate

_SHOWN = 20  # rows


def add_commands(nouns: Any) -> None:
    verbs = nouns.add_parser("secrets", help="The keys that credentials are encrypted with.").add_subparsers(
        required=True, metavar="COMMAND"
    )
    command = verbs.add_parser(
        "check",
        help="Exit with 0: all is encrypted with the present key, 1: some with an older one, 2: unreadable.",
    )
    command.set_defaults(run=_check)
    command = verbs.add_parser(
        "rotate",
        help="Make a new key, encrypt everything with it, drop the old one. Services may run. If it is interrupted, "
        "run it again.",
    )
    command.add_argument(
        "--step-by-step",
        action="store_true",
        help="For several hosts with a copy of the key file each: do one step, so that the file can be copied.",
    )
    command.add_argument(
        "--settle-seconds",
        type=float,
        default=SETTLE_SECONDS,
        metavar="SECONDS",
        help="How long to wait for what services have begun before the last look (%(default)g).",
    )
    command.set_defaults(run=_rotate)


def _check(settings: Settings, _parsed: argparse.Namespace) -> int:
    with _open(settings) as database:
        census = take_census(database, KeyRing(settings.key_file))
    print(f"{census.current} secrets are encrypted with the present key of {settings.key_file}.")
    if census.older:
        print(f"{census.older} are encrypted with an older one; run: coriolis-manage secrets rotate")
    for row in census.unreadable[:_SHOWN]:
        print(f"No key of the file reads those of {row}.")
    if len(census.unreadable) > _SHOWN:
        print(f"… and of {len(census.unreadable) - _SHOWN} rows more.")
    return 2 if census.unreadable else 1 if census.older else 0


def _rotate(settings: Settings, parsed: argparse.Namespace) -> int:
    with _open(settings) as database:
        path = settings.key_file
        stage = rotate(database, path, step_by_step=parsed.step_by_step, settle_seconds=parsed.settle_seconds)
    print(_told(stage, path))
    return 0


def _told(stage: Stage, path: Path) -> str:
    copy = f"Copy {path} to all other hosts"
    if stage is Stage.DONE:
        return (
            f"Everything is encrypted with the new key, the old one is gone. {copy}, if there are any. Backups made "
            "before need the key file of before."
        )
    what = "knows a new key" if stage is Stage.KNOWN else "encrypts with the new key"
    return f"This host {what}. {copy}, then run this again."


@contextmanager
def _open(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()
