"""Asynchronous work of the engine: a delay, the hypervisor's part, then the change of state. Faults strike
here.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.ovirt.journal import Journal
from coriolis_lab.ovirt.records import Job

INTERNAL_ERROR = "General command validation failure"


@dataclass(frozen=True)
class Task:
    """`work` runs outside the engine's lock, `done` and `failed` (with the reason) run under it.

    `fault` of kind "error" fails instead of working, "stuck" never ends.
    """

    job: Job
    delay: float
    work: Callable[[], None]
    done: Callable[[], None]
    failed: Callable[[str], None]
    fault: Fault | None = None


class TaskRunner:
    def __init__(self, lock: threading.RLock, journal: Journal) -> None:
        self._lock = lock
        self._journal = journal
        self.closing = threading.Event()

    def start(self, task: Task) -> threading.Event:
        """Returns an event that is set when the task has ended."""
        ended = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(task, ended), name=task.job.description, daemon=True
        )
        thread.start()
        return ended

    def _run(self, task: Task, ended: threading.Event) -> None:
        if self.closing.wait(task.delay):
            return
        kind = task.fault.kind if task.fault else ""
        if kind == "stuck":
            return
        reason = None
        if task.fault and kind == "error":
            reason = task.fault.message or INTERNAL_ERROR
        else:
            try:
                task.work()
            except HypervisorError as error:
                reason = str(error)
        with self._lock:
            if reason is None:
                task.done()
            else:
                task.failed(reason)
            self._journal.close_job(task.job, "finished" if reason is None else "failed")
        ended.set()
