"""What the steps of one claimed job have done, in memory and in the database at once."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coriolis.model.records import JobState
from coriolis.store.database import Database, Fence
from coriolis.store.steps import StepState


class StepHistory:
    """Read once, at the claim: from then on nobody else can write it. Steps in parallel threads each write
    their own entry."""

    def __init__(self, database: Database, fence: Fence, host: str) -> None:
        """`host`: whose name the tasks show."""
        self._store = database.steps
        self._fence = fence
        self._states = self._store.of_job(fence.job_id)
        self._host = host

    def __getitem__(self, step: str) -> StepState:
        return self._states.get(step, StepState())

    @property
    def begun(self) -> Mapping[str, StepState]:
        return self._states

    def begin(self, step: str) -> None:
        """Counts an attempt."""
        state = self[step]
        begun = replace(state, attempts=state.attempts + 1)
        self._store.begin(self._fence, step, attempt=begun.attempts, host=self._host, process_id=os.getpid())
        self._states[step] = begun

    def finish(self, step: str, result: Any) -> None:
        """`result` as JSON."""
        self._store.finish(self._fence, step, result)
        self._states[step] = replace(self[step], finished=True, result=result)

    def fail(self, step: str, details: str) -> JobState:
        return self._store.fail(self._fence, step, details)

    def reverted(self, step: str) -> None:
        self._store.reverted(self._fence, step)
        self._states[step] = replace(self[step], reverted=True)

    def left_behind(self, step: str, reason: str) -> None:
        self._store.left_behind(self._fence, step, reason)
        self._states[step] = replace(self[step], reverted=True)
