"""Running a copy job in a child process, so that it can be ended at any moment and takes no one with it."""

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coriolis
from coriolis import handover, runner
from coriolis.errors import TransferError, TransferInterrupted
from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.transfer import wire
from coriolis.transfer.job import CopyJob
from coriolis.transfer.limits import Limits

LOG = logging.getLogger(__name__)

CHECK_SECONDS = 0.25
LIMITS_SECONDS = 3.0
_GRACE_SECONDS = 5.0
_STDERR_BYTES = 4000


def run_copy_job(
    job: CopyJob,
    *,
    report: Callable[[DiskProgress], None],
    check: Callable[[], None],
    limits: Callable[[], Limits] | None = None,
) -> tuple[DiskResult, ...]:
    """Copies all disks of the job; results in the order of `job.copies`.

    `limits` is asked every few seconds for what holds instead of `job.limits` from then on.

    `report` gets each disk's progress at most once a second; `check` is called at least twice a second.
    Whatever either raises ends the child (SIGTERM, then SIGKILL for its whole group) and is raised again.
    Raises TransferInterrupted where an end or the child vanished, VerificationFailed, WorkerUnreachable,
    WriterFenced, TransferError.
    """
    child = _Child(job)
    try:
        return child.follow(report, check, limits or (lambda: job.limits))
    finally:
        child.end()


class _Child:
    def __init__(self, job: CopyJob) -> None:
        self._scope = job.scope
        self._limits = job.limits
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._said = b""
        source = str(Path(coriolis.__file__).parents[1])
        path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "coriolis.transfer.child"]
        self._process = runner.spawn(command, env={"PYTHONPATH": path})
        self._threads = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it died at once: follow() says why
                self._process.stdin.write(handover.pack(job))

    def _read_events(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._events.put(json.loads(line))
        self._events.put(None)

    def _read_stderr(self) -> None:
        while self._process.stderr is not None and (piece := self._process.stderr.read(4096)):
            self._said = (self._said + piece)[-_STDERR_BYTES:]

    def follow(
        self,
        report: Callable[[DiskProgress], None],
        check: Callable[[], None],
        limits: Callable[[], Limits],
    ) -> tuple[DiskResult, ...]:
        checked = limited = 0.0
        while True:
            if time.monotonic() - limited >= LIMITS_SECONDS:
                self._limit(limits())
                limited = time.monotonic()
            if time.monotonic() - checked >= CHECK_SECONDS:
                check()
                checked = time.monotonic()
            try:
                event = self._events.get(timeout=CHECK_SECONDS)
            except queue.Empty:
                continue
            if event is None:
                raise self._vanished()
            if event["event"] == "progress":
                report(DiskProgress(**event["progress"]))
            elif event["event"] == "note":
                LOG.warning("%s: %s", self._scope, event["message"])
            elif event["event"] == "error":
                raise wire.load_error(event)
            elif event["event"] == "results":
                return tuple(DiskResult(**result) for result in event["results"])

    def _limit(self, limits: Limits) -> None:
        if limits != self._limits and self._process.stdin is not None:
            self._limits = limits
            with contextlib.suppress(BrokenPipeError):  # its end comes as an event
                self._process.stdin.write(handover.pack(limits))

    def _vanished(self) -> TransferError:
        """It ended without an event: killed from outside (then the run can go on later), or a fault of
        ours.
        """
        code = self._process.wait()
        self._threads[1].join(_GRACE_SECONDS)
        said = self._said.decode(errors="replace").strip()
        if code < 0 or code == 128 + signal.SIGTERM:
            reason = f"the transfer process was ended from outside (code {code})."
            return TransferInterrupted(disk=self._scope, reason=reason)
        return TransferError(disk=self._scope, reason=f"the transfer process failed (code {code}): {said}")

    def end(self) -> None:
        """Returns once neither the child nor any of its ssh processes is there."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        for thread in self._threads:
            thread.join(_GRACE_SECONDS)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        """To the whole group, which outlives its leader while an ssh process is in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
