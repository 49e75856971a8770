"""coriolis-api and coriolis-conductor: the processes of a distributed installation.

Exit codes: 0 after SIGTERM or SIGINT; 78 (EX_CONFIG) when somebody has to change something first, such as
settings or the database's version; 69 (EX_UNAVAILABLE) when starting it again later may be enough.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from coriolis import logs
from coriolis.cli.base import told
from coriolis.config import Settings, load_settings
from coriolis.errors import CoriolisError

LOG = logging.getLogger(__name__)
_DEFAULT_FILE = Path("/etc/coriolis/coriolis.conf")


def api(argv: Sequence[str] | None = None) -> int:
    """Serves the API; needs a database, and conductors to do the work."""
    return _main("coriolis-api", "The REST API of Coriolis.", _serve, argv)


def conductor(argv: Sequence[str] | None = None) -> int:
    """Runs jobs, near the clouds of its regions."""
    return _main("coriolis-conductor", "Runs the jobs of Coriolis near the clouds.", _conduct, argv)


def _main(name: str, description: str, run: Callable[[Settings], None], argv: Sequence[str] | None) -> int:
    parsed = _parser(name, description).parse_args(argv)
    logs.expect_eventlet()
    try:
        run(_settings(parsed))
    except CoriolisError as error:
        sys.stderr.write(told(error))
        return os.EX_UNAVAILABLE if error.retryable else os.EX_CONFIG
    return os.EX_OK


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument(
        "--config-file",
        type=Path,
        action="append",
        metavar="PATH",
        help=f"Settings; can be repeated, and later ones win. {_DEFAULT_FILE} by default.",
    )
    parser.add_argument("--debug", action="store_true", help="Log what it does in detail; never secrets.")
    return parser


def _settings(parsed: argparse.Namespace) -> Settings:
    files = parsed.config_file or ([_DEFAULT_FILE] if _DEFAULT_FILE.exists() else [])
    overrides = {"debug": True} if parsed.debug else {}
    return load_settings(files, **overrides)


def _serve(settings: Settings) -> None:
    from coriolis.api.server import serve
    from coriolis.engine.service import API

    serve(settings, announce=lambda url: print(f"coriolis-api listens on {url}", flush=True), role=API)


def _conduct(settings: Settings) -> None:
    from coriolis.engine.service import CONDUCTOR, Engine

    logs.configure(settings)
    stop = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        signal.signal(number, lambda *_: stop.set())
    with Engine(settings, role=CONDUCTOR):
        print(f"coriolis-conductor works as {settings.host_name}", flush=True)
        stop.wait()
        LOG.info("stopping; other conductors go on with the jobs")
        for number in numbers:  # a second signal ends a stop that takes too long
            signal.signal(number, signal.SIG_DFL)
