"""The transfer child: `python -m coriolis.transfer.child`.

The first thing on stdin (`coriolis.handover`) is the job, further ones are new limits; events go to stdout, one JSON
object a line. It ends when it is told to (SIGTERM), when its parent dies (parent-death signal) or when
its stdin ends, and takes its ssh processes with it: they are in its process group.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from coriolis import handover
from coriolis.agent.pipes import StreamClosedError
from coriolis.errors import CoriolisError
from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.transfer import wire
from coriolis.transfer.disk_copy import DiskCopier
from coriolis.transfer.job import CopyJob, DiskCopy
from coriolis.transfer.limits import Limiter, Limits
from coriolis.transfer.slots import Slots

STOPPED_STATUS = 143
_PR_SET_PDEATHSIG = 1


class StoppedError(Exception):
    """Somebody wants this process to end."""


class Child:
    def __init__(self, job: CopyJob) -> None:
        self._job = job
        self._stop = threading.Event()
        self._told_to = False
        self._output = threading.Lock()
        self._limiter = Limiter(job.limits)
        self._slots = Slots(job.parallel_disks)

    def run(self) -> int:
        """The exit status. A failure of one disk stops the others."""
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        threading.Thread(target=self._follow_orders, daemon=True).start()
        try:
            self._emit(wire.dump_results(self._copy_all()))
        except CoriolisError as error:
            if self._told_to:
                return STOPPED_STATUS
            self._emit(wire.dump_error(error))
            return 1
        except StoppedError:
            return STOPPED_STATUS
        return 0

    def stop(self) -> None:
        """Asked from outside: nobody is to be told how it went."""
        self._told_to = True
        self._end_sessions()

    def _end_sessions(self) -> None:
        """Ends all copies at once, wherever they block, by ending their ssh processes."""
        # First: a second signal (the parent's death, the end of stdin) would run this again in the middle of set(),
        # and wait for ever for the lock that set() holds.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._stop.set()
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpgrp(), signal.SIGTERM)

    def _copy_all(self) -> tuple[DiskResult, ...]:
        with ThreadPoolExecutor(max_workers=self._job.parallel_disks) as pool:
            futures = [pool.submit(self._copy, disk) for disk in self._job.copies]
            wait(futures, return_when=FIRST_EXCEPTION)
            first = _first_failure(futures)
            if first is not None:
                self._end_sessions()
                for future in futures:
                    future.cancel()
        if first is not None:
            raise first
        return tuple(future.result() for future in futures)

    def _copy(self, disk: DiskCopy) -> DiskResult:
        copier = DiskCopier(
            self._job,
            disk,
            report=self._report,
            note=self._note,
            check=self._check,
            limiter=self._limiter,
            slots=self._slots,
        )
        return copier.copy()

    def _check(self) -> None:
        if self._stop.is_set():
            raise StoppedError

    def _report(self, progress: DiskProgress) -> None:
        self._emit(wire.dump_progress(progress))

    def _note(self, message: str) -> None:
        self._emit(wire.dump_event("note", message=message))

    def _emit(self, line: bytes) -> None:
        with self._output:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def _follow_orders(self) -> None:
        with contextlib.suppress(StreamClosedError):
            while True:
                self._limiter.set(handover.receive(0, Limits))
        os.kill(os.getpid(), signal.SIGTERM)


def _first_failure(futures: list[Future[DiskResult]]) -> BaseException | None:
    for future in futures:
        if future.done() and not future.cancelled() and (error := future.exception()) is not None:
            return error
    return None


def main() -> int:
    # The thread that started us waits for us, so its death is the parent's.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return Child(handover.receive(0, CopyJob)).run()


if __name__ == "__main__":
    sys.exit(main())
