"""Says so when a step that reports progress has not for too long. It never ends the step: time-outs of the
clouds and the transfer do, and a slow cloud is not a dead one."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from coriolis.engine.context import StepContext
from coriolis.errors import LeaseLost
from coriolis.model.enums import EventLevel

LOG = logging.getLogger(__name__)


@contextmanager
def watching(op: StepContext, stall_after: float | None) -> Iterator[None]:
    """For the time of the block: one WARNING event each time the step stands still for `stall_after` seconds
    (None: it is not watched)."""
    if stall_after is None:
        yield
        return
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(op, stall_after, ended), name=f"stall-{op.step}", daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _watch(op: StepContext, stall_after: float, ended: threading.Event) -> None:
    warned = False
    while not ended.wait(
        max(stall_after - op.seconds_without_progress, 0.0) if not warned else stall_after / 4
    ):
        quiet = op.seconds_without_progress
        if quiet < stall_after:
            warned = False
        elif not warned:
            warned = True
            _warn(op, quiet)


def _warn(op: StepContext, seconds: float) -> None:
    message = f"No progress for {seconds:.0f} s: the step is still at work, but something may be stuck."
    try:
        op.event(EventLevel.WARNING, message)
    except (LeaseLost, sa.exc.SQLAlchemyError) as error:
        LOG.warning("could not report that step %s stands still: %s", op.step, error)
