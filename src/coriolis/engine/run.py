"""What the steps of one claimed job share."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from coriolis.config import Settings
from coriolis.engine.claims import Claim
from coriolis.engine.context import StepContext
from coriolis.engine.plan import Plan
from coriolis.engine.sessions import Sessions
from coriolis.engine.step import Step, load_value, optional
from coriolis.engine.step_history import StepHistory
from coriolis.errors import EngineError, LeaseLost
from coriolis.store.database import Database

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """`steps` holds at least those that this run may execute or revert."""

    database: Database
    settings: Settings
    claim: Claim
    plan: Plan
    history: StepHistory
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
        values: dict[str, Any] = {}
        for name, hint in type(self.steps[step]).inputs(method).items():
            provider = self.plan.provider_of(name)
            if provider is None and optional(hint):
                values[name] = None
                continue
            if provider is None:
                raise EngineError(message=f"Nothing in the plan provides {name!r} for step {step!r}.")
            state = self.history[provider]
            if not state.finished and provider != step:
                raise EngineError(message=f"Step {step!r} needs {name!r}, but {provider!r} has not finished.")
            values[name] = load_value(hint, state.result, self.database.codec) if state.finished else None
        return values


def guarded(claim: Claim, call: Callable[[], None]) -> None:
    """When our own database fails, nothing may be concluded about the step: the claim is given up, and
    whoever takes the job next goes on from what was last committed."""
    try:
        call()
    except sa.exc.SQLAlchemyError as error:
        LOG.exception("the database failed under job %s", claim.job.id)
        claim.lose()
        raise LeaseLost(f"job {claim.job.id}: the database failed: {error}") from error
    except LeaseLost:
        claim.lose()
        raise
