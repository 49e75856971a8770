from collections.abc import Callable

import pytest

from coriolis.errors import AuthenticationFailed, CloudUnavailable, LeaseLost
from coriolis.providers import retry
from coriolis.providers.retry import Caller, Fault
from tests.memory_operation import MemoryOperation


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    return slept


def failing(times: int) -> Callable[[], str]:
    left = [times]

    def function() -> str:
        if left[0]:
            left[0] -= 1
            raise OSError("no")
        return "yes"

    return function


def caller(*, refused: bool = False, retry_after: float | None = None) -> Caller:
    def understand(action: str, error: Exception) -> Fault:
        fields = {"cloud": "c", "action": action, "reason": str(error), "retry_after": retry_after}
        return Fault(CloudUnavailable(**fields), refused)

    return Caller(understand, (OSError,))


def test_a_passing_fault_is_repeated_with_growing_pauses(pauses: list[float]) -> None:
    assert caller().call("read", failing(3)) == "yes"
    for pause, least in zip(pauses, (0.5, 1.0, 2.0), strict=True):
        assert least <= pause <= least + retry.JITTER


def test_callers_that_fail_together_do_not_come_back_together(pauses: list[float]) -> None:
    for _ in range(20):
        caller().call("read", failing(1))
    assert len(set(pauses)) > 1


def test_retry_after_is_honoured(pauses: list[float]) -> None:
    assert caller(retry_after=7.0).call("read", failing(1)) == "yes"
    assert pauses == [7.0]


def test_a_creation_is_not_repeated_when_it_may_have_happened(pauses: list[float]) -> None:
    with pytest.raises(CloudUnavailable):
        caller().call("create", failing(1), idempotent=False)
    assert not pauses


def test_a_creation_that_was_refused_is_repeated(pauses: list[float]) -> None:
    assert caller(refused=True).call("create", failing(1), idempotent=False) == "yes"
    assert len(pauses) == 1


def test_a_wait_longer_than_ours_is_left_to_the_engine_which_is_told(pauses: list[float]) -> None:
    with pytest.raises(CloudUnavailable) as raised:
        caller(retry_after=600.0).call("read", failing(1))
    assert raised.value.fields["retry_after"] == 600.0
    assert not pauses


def test_it_gives_up_with_the_cause(pauses: list[float]) -> None:
    with pytest.raises(CloudUnavailable, match="no") as raised:
        caller().call("read", failing(99))
    assert isinstance(raised.value.__cause__, OSError)
    assert len(pauses) == retry.ATTEMPTS - 1


def test_a_lasting_fault_is_not_repeated(pauses: list[float]) -> None:
    def understand(action: str, error: Exception) -> Fault:
        return Fault(AuthenticationFailed(cloud="c", username="u", reason="no"))

    with pytest.raises(AuthenticationFailed):
        Caller(understand, (OSError,)).call("read", failing(1))
    assert not pauses


def test_no_attempt_begins_once_the_job_is_somebody_elses(op: MemoryOperation) -> None:
    op.lease_checks = 1
    asked: list[None] = []

    def function() -> str:
        asked.append(None)
        raise OSError("no")

    client = caller()
    with client.during(op), pytest.raises(LeaseLost):
        client.call("attach", function)
    assert len(asked) == 1


def test_what_was_made_twice_is_taken_back_although_the_job_is_somebody_elses(op: MemoryOperation) -> None:
    op.lease_checks, client = 0, caller()
    with client.during(op), op.disowned():
        assert client.call("delete", failing(1)) == "yes"
