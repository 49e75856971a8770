"""A conductor in a process of its own: `python -m tests.unit.engine.conductor_process SETTINGS_FILE`."""

import logging
import signal
import sys
import threading
from pathlib import Path

from coriolis.config import load_settings
from coriolis.engine.conductor import Conductor
from coriolis.engine.lock import StateDirectoryLock
from coriolis.engine.registry import StepRegistry
from coriolis.store.database import open_database
from tests.unit.engine.paper_cloud import STEPS


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    settings = load_settings(Path(sys.argv[1]))
    exclusive = sys.argv[2] == "embedded"
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    lock = StateDirectoryLock(settings.state_dir) if exclusive else None
    database = open_database(settings)
    if exclusive:
        database.queue.void_all_claims()
    conductor = Conductor(database, settings, StepRegistry(STEPS))
    conductor.start()
    print("ready", flush=True)
    stop.wait()
    conductor.stop()
    if lock:
        lock.release()


if __name__ == "__main__":
    main()
