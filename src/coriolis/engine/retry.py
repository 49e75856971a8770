"""Trying again what may succeed by itself."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from coriolis.engine.context import StepContext
from coriolis.errors import CloudUnavailable, CoriolisError
from coriolis.model.enums import EventLevel

Result = TypeVar("Result")
_LONGEST_WAIT = 30.0  # seconds: a cloud that restarts its API is back within a few of these
# Times as many attempts while a cloud's API is out: with the pauses within each call a minute of it is always sat out.
_OUTAGE = 2
_LONGEST_ASKED = 900.0  # seconds that a cloud may ask for through Retry-After; beyond it we ask again anyway


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
    """The back-off listens to `op`: a cancel or a lost lease ends it, a forced clean-up makes the next attempt
    the last. An API that is out gets more than `attempts`: each ends at once, where a worker VM that does not answer
    takes minutes. Raises the last error as it was."""

    def limit(state: RetryCallState) -> int:
        return attempts * _OUTAGE if isinstance(_error_of(state), CloudUnavailable) else attempts

    def tell(state: RetryCallState) -> None:
        tries = f"Attempt {state.attempt_number} of {limit(state)}"
        op.event(EventLevel.WARNING, f"{tries} failed, trying again: {_error_of(state)}")

    retrying = Retrying(
        stop=lambda state: state.attempt_number >= limit(state) or op.forced,
        wait=_waiting(first_wait),
        retry=retry_if_exception(worth),
        sleep=op.back_off,
        before_sleep=tell,
        reraise=True,
    )
    return retrying(call)


def _waiting(first_wait: float) -> Callable[[RetryCallState], float]:
    """Exponential back-off with full jitter, or longer where the cloud asked for it."""
    back_off = wait_random_exponential(multiplier=first_wait, max=max(_LONGEST_WAIT, first_wait))

    def wait(state: RetryCallState) -> float:
        error = _error_of(state)
        asked = error.fields.get("retry_after") if isinstance(error, CoriolisError) else None
        return max(back_off(state), min(asked or 0.0, _LONGEST_ASKED))

    return wait


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
