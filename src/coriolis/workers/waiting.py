"""Waiting for a worker that boots to take a log-in."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from coriolis.errors import WorkerUnreachable

LOG = logging.getLogger(__name__)
Login = TypeVar("Login")

POLL_SECONDS = 0.25
"""Between two looks at whether the job is still wanted."""

_ATTEMPT_SECONDS = 60.0
_SHORTEST_ATTEMPT_SECONDS = 10.0
_PAUSE_SECONDS = 1.0


def wait_for_login(
    attempt: Callable[[float], tuple[Login | None, str]],
    *,
    name: str,
    target: str,
    timeout: float,
    check: Callable[[], None],
) -> Login:
    """What the first attempt gives that works. Each is told the seconds that it may take, and says otherwise what went
    wrong; it calls `check` itself.

    Raises WorkerUnreachable after `timeout` seconds: no `target` ("SSH to …"), and what the last attempt said.
    """
    end = time.monotonic() + timeout
    while True:
        left = max(min(_ATTEMPT_SECONDS, end - time.monotonic()), _SHORTEST_ATTEMPT_SECONDS)
        found, said = attempt(left)
        if found is not None:
            return found
        LOG.debug("worker %s is not ready: %s", name, said)
        resume = time.monotonic() + _PAUSE_SECONDS
        while time.monotonic() < resume:
            check()
            time.sleep(POLL_SECONDS)
        if time.monotonic() >= end:
            raise WorkerUnreachable(worker=name, reason=f"no {target} within {timeout:g} s: {said}")
