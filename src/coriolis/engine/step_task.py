"""A step as TaskFlow runs it: TaskFlow decides what runs next, this decides what that means for us."""

import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from taskflow import exceptions as taskflow_errors
from taskflow import task

from coriolis.config import Settings
from coriolis.engine.claims import Claim
from coriolis.engine.context import StepContext
from coriolis.engine.plan import Plan
from coriolis.engine.retry import any_cloud_fault, with_retries
from coriolis.engine.sessions import Sessions
from coriolis.engine.step import Step, load_value, optional
from coriolis.errors import Cancelled, CoriolisError, EngineError, LeaseLost
from coriolis.model.enums import EventLevel, TaskStatus
from coriolis.model.records import JobState
from coriolis.store.database import Database

LOG = logging.getLogger(__name__)
_REVERT_ATTEMPTS = (
    5  # with the back-off about a minute: longer than an object stays locked behind another's work
)


class StepStoppedError(Exception):
    """What TaskFlow sees of a failed or cancelled step: text only, since it stores the exception."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the steps of one claimed job share."""

    database: Database
    settings: Settings
    claim: Claim
    plan: Plan
    steps: Mapping[str, Step]
    sessions: Sessions

    def context(self, step: str, *, reverting: bool = False) -> StepContext:
        return StepContext(
            database=self.database,
            settings=self.settings,
            claim=self.claim,
            sessions=self.sessions,
            step=step,
            reverting=reverting,
        )

    def inputs(self, step: str, method: str) -> dict[str, Any]:
        """What the method takes, from the results of the steps that provide it (its own: None until there is
        one)."""
        codec = self.database.codec
        values: dict[str, Any] = {}
        for name, hint in type(self.steps[step]).inputs(method).items():
            provider = self.plan.provider_of(name)
            if provider is None and optional(hint):
                values[name] = None
                continue
            if provider is None:
                raise EngineError(message=f"Nothing in the plan provides {name!r} for step {step!r}.")
            state = self.database.steps.get(self.claim.job.id, provider)
            if not state.finished and provider != step:
                raise EngineError(message=f"Step {step!r} needs {name!r}, but {provider!r} has not finished.")
            values[name] = load_value(hint, state.result, codec) if state.finished else None
        return values


class StepTask(task.Task):  # type: ignore[misc]  # TaskFlow is untyped
    """Results go to our own table, typed and encrypted; TaskFlow keeps only how far it is."""

    def __init__(self, name: str, run: Run) -> None:
        super().__init__(name=name)
        self._run = run
        self._step = run.steps[name]

    def execute(self) -> None:
        guarded(self._run.claim, self._execute)

    def revert(self, **_: Any) -> None:
        guarded(self._run.claim, lambda: revert_step(self._run, self.name))

    def _execute(self) -> None:
        run, steps = self._run, self._run.database.steps
        op = run.context(self.name)
        if steps.get(run.claim.job.id, self.name).finished:
            return  # the process died after our own record of the result and before TaskFlow's
        try:
            op.check()
            before = steps.begin(
                run.claim.fence, self.name, host=socket.gethostname(), process_id=os.getpid()
            )
            result = self._attempt(op, repeated=before.attempts > 0)
            op.flush_progress()
            steps.finish(run.claim.fence, self.name, type(self._step).dump_result(result, run.database.codec))
        except Cancelled:
            run.database.jobs.begin_compensation(run.claim.fence, JobState.CANCELLED)
            run.claim.abort()
            raise StepStoppedError("cancelled") from None
        except CoriolisError as error:
            self._fail(str(error), code=error.code)
            raise StepStoppedError(str(error)) from None
        except (sa.exc.SQLAlchemyError, taskflow_errors.StorageFailure):
            raise
        except Exception as error:
            LOG.exception("step %s of job %s failed unexpectedly", self.name, run.claim.job.id)
            self._fail(f"Unexpected {type(error).__name__}: {error}", code=EngineError.code)
            raise StepStoppedError(type(error).__name__) from None

    def _attempt(self, op: StepContext, *, repeated: bool) -> Any:
        inputs = self._run.inputs(self.name, "execute")
        if repeated and self._step.probe is not None:
            found = self._step.probe(op, **self._run.inputs(self.name, "probe"))
            if found is not None:
                return found
        return with_retries(
            op,
            lambda: self._step.execute(op, **inputs),
            attempts=self._step.attempts,
            first_wait=self._run.settings.engine.retry_seconds,
        )

    def _fail(self, details: str, *, code: str) -> None:
        run = self._run
        decided = run.database.jobs.begin_compensation(run.claim.fence, JobState.FAILED)
        run.claim.abort()
        # After a cancel a step may well stumble over what is being stopped: that is not why the job ends.
        status = TaskStatus.ERROR if decided is JobState.FAILED else TaskStatus.CANCELED
        run.database.tasks.set_status(
            run.claim.fence, self.name, status, exception_details=f"{details} [{code}]"
        )


def guarded(claim: Claim, call: Callable[[], None]) -> None:
    """When our own database fails, nothing may be concluded about the step: the claim is given up, and
    whoever takes the job next goes on from what was last committed."""
    try:
        call()
    except (sa.exc.SQLAlchemyError, taskflow_errors.StorageFailure) as error:
        LOG.exception("the database failed under job %s", claim.job.id)
        claim.lose()
        raise LeaseLost(f"job {claim.job.id}: the database failed: {error}") from error
    except LeaseLost:
        claim.lose()
        raise


def revert_step(run: Run, name: str) -> None:
    """Undoes a step, or reports what it leaves behind: one step's failure must not keep the others from being
    undone."""
    step = run.steps[name]
    if step.revert is None or run.database.steps.get(run.claim.job.id, name).attempts == 0:
        return
    op = run.context(name, reverting=True)
    try:
        inputs = run.inputs(name, "revert")
        with_retries(
            op,
            lambda: _call_revert(step, op, inputs),
            attempts=1 if run.claim.forced else _REVERT_ATTEMPTS,
            first_wait=run.settings.engine.retry_seconds,
            worth=any_cloud_fault,
        )
    except CoriolisError as error:
        _leave_behind(run, op, name, str(error))
    except (sa.exc.SQLAlchemyError, taskflow_errors.StorageFailure):
        raise
    except Exception as error:
        LOG.exception("undoing step %s of job %s failed unexpectedly", name, run.claim.job.id)
        _leave_behind(run, op, name, f"Unexpected {type(error).__name__}: {error}")
    else:
        op.flush_progress()
        op.event(EventLevel.INFO, "What this task had made was undone.")


def _call_revert(step: Step, op: StepContext, inputs: Mapping[str, Any]) -> None:
    if step.revert is not None:
        step.revert(op, **inputs)


def _leave_behind(run: Run, op: StepContext, name: str, reason: str) -> None:
    rows = run.database.resources.abandon(run.claim.fence, name, reason)
    left = ", ".join(f"{row.kind} {row.name}" for row in rows) or "nothing that the ledger knows of"
    op.event(EventLevel.ERROR, f"The clean-up of this task failed: {reason} Left behind: {left}.")
