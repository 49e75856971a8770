"""Worker VMs that somebody takes away while a step uses them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from coriolis.errors import AuthenticationFailed, CloudError, CoriolisError, WorkerGone
from coriolis.model.worker import WorkerVm
from coriolis.providers.base import Cloud


@dataclass(frozen=True, slots=True)
class WorkerInUse:
    """`endpoint_id`: of its cloud; empty in jobs of before workers were looked for. `worker` None: the cloud's side of
    the step needs none."""

    connect: Callable[[str], Cloud]
    endpoint_id: str
    worker: WorkerVm | None

    def require(self) -> None:
        """Raises WorkerGone."""
        if self.worker is None or not self.endpoint_id:
            return
        with suppress(CloudError, AuthenticationFailed):  # no answer: what broke the step says more then
            if not self.connect(self.endpoint_id).has_worker(self.worker):
                raise WorkerGone(worker=self.worker.name)


@contextmanager
def naming_the_gone(*workers: WorkerInUse) -> Iterator[None]:
    """Raises WorkerGone instead of a retryable error where a cloud has its worker no more: another attempt would be of
    no use, and would wait minutes for an answer."""
    try:
        yield
    except CoriolisError as error:
        if error.retryable:
            for worker in workers:
                worker.require()
        raise
