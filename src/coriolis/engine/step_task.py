"""A step as TaskFlow runs it: TaskFlow decides what runs next, this decides what that means for us."""

import logging
from typing import Any

import sqlalchemy as sa
from taskflow import task

from coriolis.engine.compensation import revert_step
from coriolis.engine.context import StepContext
from coriolis.engine.retry import with_retries
from coriolis.engine.run import Run, guarded
from coriolis.engine.stall import watching
from coriolis.errors import Cancelled, CoriolisError, EngineError
from coriolis.model.records import JobState

LOG = logging.getLogger(__name__)


class StepStoppedError(Exception):
    """What TaskFlow sees of a failed or cancelled step: why is in our own tables."""


class StepTask(task.Task):  # type: ignore[misc]  # TaskFlow is untyped
    """What came of it goes to our own tables; TaskFlow only learns whether to go on."""

    def __init__(self, name: str, run: Run) -> None:
        super().__init__(name=name)
        self._run = run

    def execute(self) -> None:
        guarded(self._run.claim, self._execute)

    def revert(self, **_: Any) -> None:
        guarded(self._run.claim, lambda: revert_step(self._run, self.name))

    def _execute(self) -> None:
        run = self._run
        op = run.context(self.name)
        try:
            op.check()
            repeated = run.history[self.name].attempts > 0
            run.history.begin(self.name)
            with watching(op, run.steps[self.name].stall_after):
                result = self._attempt(op, repeated=repeated)
            op.flush_progress()
            dumped = type(run.steps[self.name]).dump_result(result, run.database.codec)
            run.history.finish(self.name, dumped)
        except Cancelled:
            run.database.jobs.begin_compensation(run.claim.fence, JobState.CANCELLED)
            run.claim.abort()
            raise StepStoppedError("cancelled") from None
        except CoriolisError as error:
            self._fail(f"{error} [{error.code}]")
            raise StepStoppedError(error.code) from None
        except sa.exc.SQLAlchemyError:
            raise
        except Exception as error:
            LOG.exception("step %s of job %s failed unexpectedly", self.name, run.claim.job.id)
            self._fail(f"Unexpected {type(error).__name__}: {error} [{EngineError.code}]")
            raise StepStoppedError(type(error).__name__) from None

    def _attempt(self, op: StepContext, *, repeated: bool) -> Any:
        step = self._run.steps[self.name]
        inputs = self._run.inputs(self.name, "execute")
        if repeated and step.probe is not None:
            found = step.probe(op, **self._run.inputs(self.name, "probe"))
            if found is not None:
                return found
        return with_retries(
            op,
            lambda: step.execute(op, **inputs),
            attempts=step.attempts,
            first_wait=self._run.settings.engine.retry_seconds,
        )

    def _fail(self, details: str) -> None:
        self._run.history.fail(self.name, details)
        self._run.claim.abort()
