"""A live migration between two clouds of files, in this process or in one of its own:
`python -m tests.unit.engine.migrating SETTINGS_FILE [idle]`; `idle`: no migration is moved.

In the source's directory, `moved` says how many bytes each further copy of an instance moves, one number a line
(the last one holds for all that follow), and `copies` has a line for each. While `hold` is there, no copy from
the number on that it says comes to its end.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from coriolis.config import load_settings
from coriolis.engine.service import Engine
from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.steps import morph_os, replicate_disks
from coriolis.transfer.job import CopyJob
from tests.unit.steps.paper_provider import PaperProvider, copy_files, morph_files


def copy_as_told(
    job: CopyJob, *, report: Callable[[DiskProgress], None], check: Callable[[], None], **_: object
) -> tuple[DiskResult, ...]:
    source = Path(job.copies[0].source.login.address)
    results = copy_files(job, report=lambda _: None, check=check)
    numbers = (source / "moved").read_text().split()
    with (source / "copies").open("a+") as copies:
        copies.write("copy\n")
        copies.seek(0)
        count = len(copies.readlines())
    hold = source / "hold"
    while hold.exists() and count >= int(hold.read_text()):
        check()
        time.sleep(0.02)
    moved = int(numbers[min(count, len(numbers)) - 1])
    for copy in job.copies:
        report(DiskProgress(copy.disk_id, copy.size_bytes, copy.size_bytes, moved))
    return tuple(replace(result, moved=moved if n == 0 else 0) for n, result in enumerate(results))


def open_engine(settings_file: Path) -> Engine:
    replicate_disks.run_copy_job = copy_as_told  # type: ignore[assignment]
    morph_os.run_morph_job = morph_files  # type: ignore[assignment]
    return Engine(load_settings(settings_file), find_provider=lambda _: PaperProvider())


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine = open_engine(Path(sys.argv[1]))
    if "idle" in sys.argv:
        engine.carrier = None
    with engine:
        print("ready", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
