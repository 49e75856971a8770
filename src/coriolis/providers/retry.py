"""Repeating a call to a cloud after a fault that passes by itself."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from coriolis.errors import CoriolisError
from coriolis.providers.base import Operation

LOG = logging.getLogger(__name__)
Answer = TypeVar("Answer")

ATTEMPTS = 5  # with the pauses below about 8 s in all: longer outages are the engine's to sit out
FIRST_PAUSE = 0.5  # seconds, doubled each time
JITTER = 0.5  # seconds at most, added to each: callers that failed together must not come back together
LONGEST_PAUSE = 60.0  # a server may ask for more through Retry-After; then it is the engine's turn as well
_BACK_OFF = tenacity.wait_exponential(FIRST_PAUSE, max=LONGEST_PAUSE) + tenacity.wait_random(0, JITTER)


@dataclass(frozen=True, slots=True)
class Fault:
    """A client library's exception, understood.

    `refused`: the server certainly did not carry the call out, so even a creation may be repeated.
    """

    error: CoriolisError
    refused: bool = False

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asked for; the error carries them on to the engine."""
        asked: float | None = self.error.fields.get("retry_after")
        return asked


class _Failed(Exception):  # noqa: N818 - carries a Fault through tenacity, never leaves this module
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.error)
        self.fault = fault


class Caller:
    """Runs calls of one client library: maps its exceptions with `understand`, repeats where that is safe."""

    def __init__(
        self, understand: Callable[[str, Exception], Fault], exceptions: tuple[type[Exception], ...]
    ) -> None:
        self._understand = understand
        self._exceptions = exceptions
        self._op: Operation | None = None

    @contextmanager
    def during(self, op: Operation) -> Iterator[None]:
        """Within the block calls are made in the name of a job: none begins once its lease is lost, and pauses wake
        up for a cancel."""
        before, self._op = self._op, op
        try:
            yield
        finally:
            self._op = before

    def call(self, action: str, function: Callable[[], Answer], *, idempotent: bool = True) -> Answer:
        """`action` is an infinitive for messages. What is not idempotent is repeated only if refused."""
        op = self._op

        def attempt() -> Answer:
            if (
                op is not None
            ):  # the last moment: a process may be paused anywhere between the loops that check
                op.check_lease()
            try:
                return function()
            except self._exceptions as error:
                raise _Failed(self._understand(action, error)) from error

        def worth_repeating(error: BaseException) -> bool:
            if not isinstance(error, _Failed) or not error.fault.error.retryable:
                return False
            asked = error.fault.retry_after or 0
            return (idempotent or error.fault.refused) and asked <= LONGEST_PAUSE

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(worth_repeating),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=_pause,
            sleep=op.sleep if op is not None else time.sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _Failed as failed:
            raise failed.fault.error from failed.__cause__


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    pause: float = _BACK_OFF(state)
    if isinstance(error, _Failed):
        LOG.info("attempt %d of a cloud call: %s", state.attempt_number, error.fault.error)
        pause = max(pause, error.fault.retry_after or 0)
    return pause
