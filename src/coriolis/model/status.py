"""How the status of an execution follows from its jobs."""

from collections.abc import Sequence

from coriolis.model.enums import ExecutionStatus
from coriolis.model.records import JobState, Wish


def execution_status(jobs: Sequence[tuple[JobState, Wish, JobState | None]]) -> ExecutionStatus:
    """`jobs` as (state, wish, what a compensation will end in).

    One instance's failure does not stop the others: ERROR shows once all have ended. DEADLOCKED: nothing more
    will happen without an operator.
    """
    states = [state for state, _, _ in jobs]
    if all(state.finished for state in states):
        if JobState.FAILED in states:
            return ExecutionStatus.ERROR
        return ExecutionStatus.CANCELED if JobState.CANCELLED in states else ExecutionStatus.COMPLETED
    if all(state.finished or state is JobState.NEEDS_OPERATOR for state in states):
        return ExecutionStatus.DEADLOCKED
    if any(_is_cancelling(*job) for job in jobs):
        return ExecutionStatus.CANCELLING
    return ExecutionStatus.PENDING if set(states) == {JobState.QUEUED} else ExecutionStatus.RUNNING


def _is_cancelling(state: JobState, wish: Wish, outcome: JobState | None) -> bool:
    return not state.finished and outcome is not JobState.FAILED and wish is not Wish.NONE
