"""What every jobboard does: posting, claiming, leases, the end of a job."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from taskflow import states
from taskflow.exceptions import JobFailure, NotFound, UnclaimableJob
from taskflow.jobs.base import JobBoard, JobPriority

from tests.conformance.jobboard.kits import LEASE_SECONDS, Kit, TransactionFailedError

SHORT = 0.3  # seconds of a lease that shall run out


def names(board: JobBoard, *, only_unclaimed: bool = False) -> list[str]:
    return [job.name for job in board.iterjobs(only_unclaimed=only_unclaimed, ensure_fresh=True)]


def find(board: JobBoard, name: str) -> Any:
    """The job as this conductor sees it."""
    return next(job for job in board.iterjobs(ensure_fresh=True) if job.name == name)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.guarantee("seen-by-all")
def test_a_posted_job_is_seen_by_every_conductor(kit: Kit) -> None:
    boards = [kit.open("one"), kit.open("two")]
    posted = kit.post("vm")
    for board in boards:
        assert names(board, only_unclaimed=True) == ["vm"]
        assert board.job_count == 1
        (found,) = board.wait(timeout=5)
        assert (found.uuid, found.state) == (posted.uuid, states.UNCLAIMED)
    boards[0].claim(find(boards[0], "vm"), "me")
    assert names(boards[1]) == ["vm"]
    assert names(boards[1], only_unclaimed=True) == []
    assert boards[1].find_owner(find(boards[1], "vm")) == "me"
    assert find(boards[1], "vm").state == states.CLAIMED


@pytest.mark.guarantee("seen-by-all")
def test_waiting_for_a_job_ends_when_there_is_none(kit: Kit) -> None:
    with pytest.raises(NotFound):
        kit.open().wait(timeout=0.1)


@pytest.mark.guarantee("priority")
def test_jobs_come_by_priority(kit: Kit) -> None:
    for priority in reversed([*JobPriority]):
        kit.post(priority.value, priority=priority)
    kit.post("more", priority=JobPriority.NORMAL)
    board = kit.open()
    highest, high, normal, low, lowest = JobPriority
    for only_unclaimed in (True, False):
        found = [job.priority for job in board.iterjobs(only_unclaimed=only_unclaimed)]
        assert found == [highest, high, normal, normal, low, lowest]


@pytest.mark.guarantee("oldest-first")
def test_of_equal_priority_the_oldest_comes_first(kit: Kit) -> None:
    for number in range(40):
        kit.post(f"{number:02}", priority=JobPriority.HIGH if number % 4 == 0 else JobPriority.NORMAL)
    board = kit.open()
    wanted = sorted((f"{number:02}" for number in range(40)), key=lambda name: (int(name) % 4 > 0, name))
    assert names(board, only_unclaimed=True) == wanted
    assert names(board) == wanted


@pytest.mark.guarantee("one-holder")
def test_of_many_who_claim_at_once_one_gets_it(kit: Kit) -> None:
    for number in range(5):
        kit.post(str(number))
    winners: list[tuple[str, str]] = []
    start = threading.Barrier(4)

    def claim_all(who: str, board: JobBoard) -> None:
        jobs = list(board.iterjobs())
        start.wait()
        for job in jobs:
            try:
                board.claim(job, who)
            except UnclaimableJob:
                continue
            winners.append((job.name, who))

    threads = [threading.Thread(target=claim_all, args=(str(n), kit.open(str(n)))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in winners) == ["0", "1", "2", "3", "4"]


@pytest.mark.guarantee("only-its-holder")
@pytest.mark.parametrize("verb", ["consume", "abandon", "trash"])
def test_nobody_but_the_holder_ends_a_job(kit: Kit, verb: str) -> None:
    board = kit.open()
    job = kit.post("vm")
    with pytest.raises(NotFound):
        getattr(board, verb)(job, "me")
    board.claim(job, "me")
    with pytest.raises(UnclaimableJob):
        board.claim(find(board, "vm"), "you")
    with pytest.raises(JobFailure):
        getattr(board, verb)(find(board, "vm"), "you")
    assert board.find_owner(job) == "me"


@pytest.mark.guarantee("given-back")
def test_a_job_given_back_can_be_claimed_at_once(kit: Kit) -> None:
    one, two = kit.open("one"), kit.open("two")
    kit.post("vm")
    job = find(one, "vm")
    one.claim(job, "me", expiry=60)
    one.abandon(job, "me")
    assert names(two, only_unclaimed=True) == ["vm"]
    two.claim(find(two, "vm"), "you")
    assert one.find_owner(job) == "you"


@pytest.mark.guarantee("ended")
@pytest.mark.parametrize("verb", ["consume", "trash"])
def test_a_job_that_ended_is_never_offered_again(kit: Kit, verb: str) -> None:
    board = kit.open()
    kit.post("vm")
    job = find(board, "vm")
    board.claim(job, "me")
    getattr(board, verb)(job, "me")
    assert names(board) == []
    assert board.job_count == 0
    assert job.state == states.COMPLETE
    assert job.wait(timeout=5)
    for again in (board.claim, board.consume, board.abandon, board.trash):
        with pytest.raises(NotFound):
            again(job, "me")


@pytest.mark.guarantee("lease")
def test_a_claim_that_is_not_renewed_ends(kit: Kit) -> None:
    dead, living = kit.open("one"), kit.open("two")
    kit.post("vm")
    job = find(dead, "vm")
    dead.claim(job, "dead", expiry=SHORT)
    until(lambda: names(living, only_unclaimed=True) == ["vm"])
    living.claim(find(living, "vm"), "living", expiry=60)
    with pytest.raises(JobFailure):
        dead.consume(job, "dead")
    assert living.find_owner(job) == "living"


@pytest.mark.guarantee("renewal")
def test_a_claim_that_is_renewed_lasts(kit: Kit) -> None:
    board = kit.open()
    job = kit.post("vm")
    board.claim(job, "me", expiry=3.0)
    assert job.extend_expiry(60)
    assert 3 < job.expires_in() <= 60
    time.sleep(3.2)
    assert names(board, only_unclaimed=True) == []
    assert board.find_owner(job) == "me"


@pytest.mark.guarantee("lease-by-default")
def test_a_claim_has_a_lease_without_being_asked_for_one(kit: Kit) -> None:
    board = kit.open()
    job = kit.post("vm")
    board.claim(job, "me")
    assert isinstance(job.expires_in(), float)
    assert 0 < job.expires_in() <= LEASE_SECONDS


@pytest.mark.guarantee("owner-of-free-job")
def test_a_free_job_has_no_owner(kit: Kit) -> None:
    assert kit.open().find_owner(kit.post("vm")) is None


@pytest.mark.guarantee("stale-renewal")
def test_who_lost_a_claim_cannot_renew_it(kit: Kit) -> None:
    stale, job, _ = _taken_over(kit)
    assert not stale.extend_expiry(600)
    assert job.expires_in() <= 60


@pytest.mark.guarantee("stale-namesake")
def test_who_lost_a_claim_cannot_end_the_job_of_its_namesake(kit: Kit) -> None:
    """A process id comes again after a restart: in a container it is always the same."""
    stale, job, board = _taken_over(kit, first="same", second="same")
    with pytest.raises(JobFailure):
        board.consume(stale, "same")
    assert job.state == states.CLAIMED


@pytest.mark.guarantee("fenced-writes")
def test_who_lost_a_claim_cannot_write_any_more(kit: Kit) -> None:
    stale, job, _ = _taken_over(kit)
    kit.write(job)
    with pytest.raises(BaseException, match="token"):
        kit.write(stale)


@pytest.mark.guarantee("submission")
def test_a_job_is_queued_with_what_it_belongs_to_or_not_at_all(kit: Kit) -> None:
    with pytest.raises(TransactionFailedError):
        kit.post_and_fail()
    assert names(kit.open()) == []


def _taken_over(kit: Kit, first: str = "first", second: str = "second") -> tuple[Any, Any, JobBoard]:
    """The job as its first holder has it, and as the one that took it over does."""
    one, two = kit.open("one"), kit.open("two")
    kit.post("vm")
    stale = find(one, "vm")
    one.claim(stale, first, expiry=SHORT)
    kit.write(stale)
    until(lambda: names(two, only_unclaimed=True) == ["vm"])
    job = find(two, "vm")
    two.claim(job, second, expiry=60)
    return stale, job, two
