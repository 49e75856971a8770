"""Undoing one step: tried again and again, and in the end either done or reported as left behind."""

import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from coriolis.engine.context import StepContext
from coriolis.engine.retry import any_cloud_fault, with_retries
from coriolis.engine.run import Run
from coriolis.engine.step import Step
from coriolis.errors import CoriolisError

LOG = logging.getLogger(__name__)
_ATTEMPTS = 5  # with the back-off about a minute: longer than an object stays locked behind another's work


def revert_step(run: Run, name: str) -> None:
    """One step's failure must not keep the others from being undone, so it raises nothing but LeaseLost and
    database errors. What was undone by an earlier claim is left alone."""
    state = run.history[name]
    if state.attempts == 0 or state.reverted or run.steps[name].revert is None:
        return
    op = run.context(name, reverting=True)
    try:
        inputs = run.inputs(name, "revert")
        with_retries(
            op,
            lambda: _call_revert(run.steps[name], op, inputs),
            attempts=_ATTEMPTS,
            first_wait=run.settings.engine.retry_seconds,
            worth=any_cloud_fault,
        )
    except CoriolisError as error:
        run.history.left_behind(name, str(error))
    except sa.exc.SQLAlchemyError:
        raise
    except Exception as error:
        LOG.exception("undoing step %s of job %s failed unexpectedly", name, run.claim.job.id)
        run.history.left_behind(name, f"Unexpected {type(error).__name__}: {error}")
    else:
        op.flush_progress()
        run.history.reverted(name)


def _call_revert(step: Step, op: StepContext, inputs: Mapping[str, Any]) -> None:
    if step.revert is not None:
        step.revert(op, **inputs)
