"""A conductor in a process of its own: `python -m tests.chaos.conductor SETTINGS_FILE RELEASE LOG READY`.

RELEASE says which release of the product it plays, see `releases`; READY is a file that it makes when it is up.
It dies with the process that started it.
"""

import ctypes
import logging
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

from coriolis.config import load_settings
from coriolis.engine import correspondence  # noqa: F401 -- loaded late by the product; here before the fork
from coriolis.engine.service import CONDUCTOR, SERVE, Engine
from coriolis.steps import morph_os
from tests.chaos import releases
from tests.chaos.file_provider import all_providers, find_provider, morph_files

_PR_SET_PDEATHSIG = 1


def main(settings_file: str, release: str, log: str, ready: str) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    form = "%(asctime)s %(process)d %(threadName)s %(name)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, force=True)
    if os.environ.pop("LD_PRELOAD", None):  # our clock is stepped, not that of our children
        # libfaketime 0.9.10 fails clock_nanosleep() with absolute times, which is what time.sleep() calls
        time.sleep = lambda seconds: select.select([], [], [], seconds)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    morph_os.run_morph_job = morph_files
    settings = load_settings(Path(settings_file))
    role = SERVE if settings.embedded else CONDUCTOR
    registry = releases.registry(release)
    with Engine(
        settings, role=role, steps=registry, find_provider=find_provider, all_providers=all_providers
    ):
        Path(ready).touch()
        stop.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
