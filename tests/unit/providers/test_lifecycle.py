import pytest

from coriolis.errors import CloudError, CloudTimeout, CloudUnavailable, Conflict, LeaseLost
from coriolis.model.enums import ResourceKind, ResourceState
from coriolis.providers.lifecycle import (
    Patience,
    create_resource,
    remove_resource,
    run_all,
    wait_until,
)
from tests.memory_operation import Crash, MemoryOperation, MemoryRow

KIND = ResourceKind.VOLUME
QUICK = Patience(timeout=0.3, interval=0.01)


class Cloud:
    """A cloud of named things. `lose`: that many create calls work, but their answers are lost."""

    def __init__(self, *, lose: int = 0, refuse: int = 0) -> None:
        self.things: dict[str, str] = {}
        self.lose = lose
        self.refuse = refuse

    def create(self, name: str) -> str:
        new = f"id{len(self.things)}"
        self.things[new] = name
        if self.lose:
            self.lose -= 1
            raise CloudUnavailable(cloud="c", action="create", reason="connection lost")
        return new

    def find(self, name: str) -> list[str]:
        return [id_ for id_, found in self.things.items() if found == name]

    def delete(self, id_: str) -> None:
        if self.refuse:
            self.refuse -= 1
            raise Conflict(message="in use")
        del self.things[id_]


def create(op: MemoryOperation, cloud: Cloud, name: str = "v") -> str:
    return create_resource(
        op,
        KIND,
        name,
        find=lambda: next(iter(cloud.find(name)), None),
        create=lambda: cloud.create(name),
        discard=cloud.delete,
    )


@pytest.mark.parametrize(
    ("owner_has", "stays"), [("id9", False), ("id0", True), (None, False)], ids=["other", "ours", "removed"]
)
def test_what_a_lost_claim_made_beside_the_new_owner_goes(
    op: MemoryOperation, owner_has: str | None, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paused between its look at the claim and its call, it cannot know; afterwards it can."""
    cloud = Cloud()

    def taken_over(row: MemoryRow, _cloud_id: str) -> None:
        row.cloud_id = owner_has
        row.state = ResourceState.PRESENT if owner_has else ResourceState.REMOVED
        raise LeaseLost("job j")

    monkeypatch.setattr(MemoryRow, "created", taken_over)
    with pytest.raises(LeaseLost):
        create(op, cloud)
    assert bool(cloud.things) is stays


def remove(op: MemoryOperation, cloud: Cloud, name: str = "v") -> None:
    remove_resource(
        op,
        KIND,
        name,
        find=lambda: cloud.find(name),
        delete=cloud.delete,
        exists=lambda id_: id_ in cloud.things,
        patience=QUICK,
        cloud="c",
    )


def test_a_created_resource_is_in_the_ledger_with_its_id(op: MemoryOperation) -> None:
    created = create(op, Cloud())
    row = op.ledger.find(KIND, "v")
    assert row is not None
    assert row.cloud_id == created


def test_a_lost_answer_does_not_make_a_second_resource(op: MemoryOperation) -> None:
    cloud = Cloud(lose=1)
    assert create(op, cloud) == "id0"
    assert list(cloud.things) == ["id0"]


def test_a_crash_after_the_call_is_adopted_by_the_next_attempt(op: MemoryOperation) -> None:
    cloud = Cloud()
    op.ledger.crash_after = KIND
    with pytest.raises(Crash):
        create(op, cloud)
    assert create(op, cloud) == "id0"
    assert list(cloud.things) == ["id0"]


def test_a_crash_after_the_call_is_removed_by_name(op: MemoryOperation) -> None:
    cloud = Cloud()
    op.ledger.crash_after = KIND
    with pytest.raises(Crash):
        create(op, cloud)
    remove(op, cloud)
    assert not cloud.things
    assert not op.ledger.owed()


def test_removal_is_idempotent_and_touches_nothing_that_the_ledger_does_not_name(op: MemoryOperation) -> None:
    cloud = Cloud()
    cloud.things["users"] = "v"
    remove(op, cloud)
    assert "users" in cloud.things


def test_removal_tries_again_while_the_resource_is_in_use(op: MemoryOperation) -> None:
    cloud = Cloud(refuse=3)
    create(op, cloud)
    remove(op, cloud)
    assert not cloud.things


def test_removal_that_is_refused_for_good_keeps_the_row(op: MemoryOperation) -> None:
    cloud = Cloud(refuse=10_000)
    create(op, cloud)
    with pytest.raises(CloudTimeout, match="in use"):
        remove(op, cloud)
    assert op.ledger.owed() == [(KIND, "v")]


def test_waiting_sits_out_a_passing_fault_and_names_it_on_time_out(op: MemoryOperation) -> None:
    answers = iter([CloudUnavailable(cloud="c", action="look", reason="restarting"), None, "there"])

    def look() -> str | None:
        answer = next(answers)
        if isinstance(answer, CloudUnavailable):
            raise answer
        return answer

    assert wait_until(op, look, QUICK, cloud="c", action="wait") == "there"

    def never() -> None:
        raise CloudUnavailable(cloud="c", action="look", reason="restarting")

    with pytest.raises(CloudTimeout, match="restarting"):
        wait_until(op, never, QUICK, cloud="c", action="wait")


def test_every_clean_up_step_runs_and_all_errors_are_told() -> None:
    ran: list[int] = []

    def fails(number: int) -> None:
        ran.append(number)
        raise CloudError(cloud="c", action=f"remove {number}", reason="stuck")

    with pytest.raises(CloudError, match=r"remove 1.*remove 3"):
        run_all([lambda: fails(1), lambda: ran.append(2), lambda: fails(3)])
    assert ran == [1, 2, 3]
