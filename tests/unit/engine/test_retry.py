"""What is tried again, how long after, and what ends it."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from coriolis.engine.context import StepContext
from coriolis.engine.retry import any_cloud_fault, with_retries
from coriolis.errors import (
    Cancelled,
    CloudError,
    CloudUnavailable,
    Conflict,
    CoriolisError,
    InvalidInput,
    WorkerUnreachable,
)

PASSING = CloudUnavailable(cloud="c", action="a", reason="busy")
LASTING = CloudError(cloud="c", action="a", reason="no")


@dataclass
class Operation:
    """As much of a step's context as retries use."""

    forced: bool = False
    waits: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    cancelled: bool = False

    def back_off(self, seconds: float) -> None:
        if self.cancelled:
            raise Cancelled("j")
        self.waits.append(seconds)

    def event(self, level: object, message: str) -> None:
        self.told.append(message)


def tried(op: Operation, *faults: CoriolisError, attempts: int = 4, **options: Any) -> str:
    """Runs a call that raises these faults, one after the other, and then succeeds."""
    left = list(faults)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return with_retries(cast(StepContext, op), call, attempts=attempts, first_wait=1.0, **options)


@pytest.mark.parametrize("fault", [PASSING, WorkerUnreachable(worker="w", reason="r")])
def test_what_passes_is_tried_again_and_told(fault: CoriolisError) -> None:
    op = Operation()
    assert tried(op, fault, fault) == "done"
    assert len(op.told) == 2
    assert all(str(fault) in message for message in op.told)


@pytest.mark.parametrize("fault", [LASTING, Conflict(message="m"), InvalidInput(message="m")])
def test_what_lasts_is_not(fault: CoriolisError) -> None:
    op = Operation()
    with pytest.raises(type(fault)):
        tried(op, fault)
    assert op.waits == []


def test_a_clean_up_tries_again_whatever_it_was() -> None:
    assert tried(Operation(), LASTING, Conflict(message="in use"), worth=any_cloud_fault) == "done"


def test_the_last_fault_is_raised_as_it_was() -> None:
    op = Operation()
    last = WorkerUnreachable(worker="w", reason="still")
    with pytest.raises(WorkerUnreachable) as raised:
        tried(op, PASSING, PASSING, last, attempts=3)
    assert raised.value is last
    assert len(op.waits) == 2


def test_an_api_that_is_out_is_asked_twice_as_often() -> None:
    op = Operation()
    assert tried(op, *[PASSING] * 5, attempts=3) == "done"
    assert "Attempt 5 of 6" in op.told[-1]
    with pytest.raises(CloudUnavailable):
        tried(op, *[PASSING] * 6, attempts=3)


def test_waits_grow_and_are_spread() -> None:
    samples = []
    for _ in range(50):
        op = Operation()
        tried(op, PASSING, PASSING, PASSING)
        samples.append(op.waits)
    for position, longest in enumerate((1.0, 2.0, 4.0)):
        waits = [sample[position] for sample in samples]
        assert 0 <= min(waits) < longest / 2 < max(waits) <= longest


def test_a_cloud_that_asks_for_a_wait_gets_it_up_to_a_quarter_of_an_hour() -> None:
    op = Operation()
    for asked in (100.0, 5000.0):
        tried(op, CloudUnavailable(cloud="c", action="a", reason="r", retry_after=asked))
    assert op.waits == [100.0, 900.0]


def test_a_cancel_ends_the_wait() -> None:
    with pytest.raises(Cancelled):
        tried(Operation(cancelled=True), PASSING)


def test_a_forced_clean_up_tries_once() -> None:
    op = Operation(forced=True)
    with pytest.raises(CloudError):
        tried(op, LASTING, worth=any_cloud_fault)
    assert op.waits == []
