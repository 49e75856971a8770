"""Copying and morphing where the workers are no machines: bulk copies are file copies, morphing does nothing."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.model.replica import DetectedOs
from coriolis.morphing.job import MorphJob
from coriolis.transfer.job import CopyJob

HOLD = "hold"
"""A file of this name in the state directory keeps every copy and morphing from ending."""


class StandIns:
    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def copy(
        self, job: CopyJob, *, report: Callable[[DiskProgress], None], check: Callable[[], None], **_: object
    ) -> Sequence[DiskResult]:
        results = []
        for copy in job.copies:
            size = copy.size_bytes
            report(
                DiskProgress(copy.disk_id, size, size // 2, size // 4, rate=1024.0, eta_seconds=size / 2048)
            )
            self._wait(check)
            shutil.copyfile(copy.source.disk.serial, copy.destination.disk.serial)
            copy.manifest.write_bytes(b"")
            report(DiskProgress(copy.disk_id, size, size, size // 4))
            results.append(
                DiskResult(copy.disk_id, size, size // 4, 0, 0, size // 4, 0.1, "digest", str(copy.manifest))
            )
        return results

    def morph(self, job: MorphJob, *, report: Callable[[str], None], check: Callable[[], None]) -> DetectedOs:
        report("Mounted the root file system")
        self._wait(check)
        return DetectedOs("linux", "debian", "12", "Debian GNU/Linux 12 (bookworm)")

    def _wait(self, check: Callable[[], None]) -> None:
        check()
        while (self._state_dir / HOLD).exists():
            check()
            time.sleep(0.02)
