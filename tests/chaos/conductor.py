"""A conductor in a process of its own: `python -m tests.chaos.conductor SETTINGS_FILE`.

CHAOS_RELEASE says which release of the product it plays, see `releases`.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from coriolis.config import load_settings
from coriolis.engine.service import CONDUCTOR, SERVE, Engine
from coriolis.steps import morph_os
from tests.chaos import releases
from tests.chaos.file_provider import all_providers, find_provider, morph_files


def main() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(threadName)s %(name)s %(message)s"
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    morph_os.run_morph_job = morph_files
    registry = releases.registry(os.environ.get("CHAOS_RELEASE", releases.THIS))
    settings = load_settings(Path(sys.argv[1]))
    role = SERVE if settings.embedded else CONDUCTOR
    with Engine(
        settings, role=role, steps=registry, find_provider=find_provider, all_providers=all_providers
    ):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        stop.wait()


if __name__ == "__main__":
    main()
