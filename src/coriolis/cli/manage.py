"""coriolis-manage: what an administrator does to an installation's database and keys, on one of its hosts.

Exit codes: 0; 1 and 2 as the command says; 69 (EX_UNAVAILABLE) when trying again later may be enough; 78
(EX_CONFIG) when somebody has to change something first.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from coriolis.cli import manage_db, manage_secrets
from coriolis.cli.base import told
from coriolis.config import Settings, load_settings
from coriolis.errors import CoriolisError, DatabaseUnavailable
from coriolis.store.faults import is_unavailable

_DEFAULT_FILE = Path("/etc/coriolis/coriolis.conf")


def main(argv: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(argv)
    try:
        return int(parsed.run(_settings(parsed), parsed))
    except CoriolisError as error:
        return _failed(error)
    except sa.exc.SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        return _failed(DatabaseUnavailable(reason=getattr(error, "orig", None) or error))


def _failed(error: CoriolisError) -> int:
    sys.stderr.write(told(error))
    return os.EX_UNAVAILABLE if error.retryable else os.EX_CONFIG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coriolis-manage", description="Looks after the database and the keys of Coriolis."
    )
    parser.add_argument(
        "--config-file",
        type=Path,
        action="append",
        metavar="PATH",
        help=f"Settings; can be repeated, and later ones win. {_DEFAULT_FILE} by default.",
    )
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="The state directory, over the settings."
    )
    nouns = parser.add_subparsers(required=True, metavar="COMMAND")
    manage_db.add_commands(nouns)
    manage_secrets.add_commands(nouns)
    return parser


def _settings(parsed: argparse.Namespace) -> Settings:
    files = parsed.config_file or ([_DEFAULT_FILE] if _DEFAULT_FILE.exists() else [])
    overrides = {} if parsed.state_dir is None else {"state_dir": parsed.state_dir.absolute()}
    return load_settings(files, **overrides)


if __name__ == "__main__":
    sys.exit(main())
