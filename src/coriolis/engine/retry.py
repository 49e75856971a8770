"""Trying again what may succeed by itself."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from coriolis.engine.context import StepContext
from coriolis.errors import CoriolisError
from coriolis.model.enums import EventLevel

Result = TypeVar("Result")
_LONGEST_WAIT = 30.0  # seconds: a cloud that restarts its API is back within a few of these


def passing(error: BaseException) -> bool:
    return isinstance(error, CoriolisError) and error.retryable


def any_cloud_fault(error: BaseException) -> bool:
    """For clean-up: what refuses to go now (in use, locked) often goes a little later, and giving up leaves
    it behind."""
    return isinstance(error, CoriolisError)


def with_retries(
    op: StepContext,
    call: Callable[[], Result],
    *,
    attempts: int,
    first_wait: float,
    worth: Callable[[BaseException], bool] = passing,
) -> Result:
    """The back-off listens to `op`: a cancel or a lost lease ends it. Raises the last error as it was."""

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        op.event(
            EventLevel.WARNING, f"Attempt {state.attempt_number} of {attempts} failed, trying again: {error}"
        )

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=first_wait, max=max(_LONGEST_WAIT, first_wait)),
        retry=retry_if_exception(worth),
        sleep=op.sleep,
        before_sleep=tell,
        reraise=True,
    )
    return retrying(call)
