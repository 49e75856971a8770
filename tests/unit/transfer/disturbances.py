"""What happens to a run in its middle."""

import os
import signal
from dataclasses import replace

from coriolis.errors import Cancelled
from coriolis.transfer.job import CopyJob
from coriolis.transfer.limits import Limits
from coriolis.transfer.process import run_copy_job
from tests.unit.transfer.copying import Pair
from tests.unit.transfer.processes import children, written


class Disturbance:
    """Does something once, from `check`, when a sixteenth of the destination is there."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.done = False

    def check(self) -> None:
        if not self.done and written(self.pair) > self.pair.source.stat().st_size // 16:
            self.done = True
            self.act()

    def act(self) -> None:
        raise Cancelled


class KillChild(Disturbance):
    def act(self) -> None:
        os.kill(children("coriolis.transfer.child")[-1], signal.SIGKILL)


def run_disturbed(job: CopyJob, disturbance: Disturbance) -> None:
    """Read so slowly that on no machine the disk is there before somebody looks."""
    limits = Limits(source_read=job.copies[0].size_bytes / 2)
    run_copy_job(replace(job, limits=limits), report=lambda progress: None, check=disturbance.check)
