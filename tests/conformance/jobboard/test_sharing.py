"""Who is offered which job: regions, capabilities, limits, the place in the line."""

import threading
import time
from typing import Any

import pytest
from taskflow.exceptions import JobFailure, NotFound, UnclaimableJob
from taskflow.jobs.base import JobBoard

from coriolis.model.queue import Demand, Limits, Needs, Served, WaitReason
from tests.conformance.jobboard.kits import Kit
from tests.conformance.jobboard.test_board import SHORT, find, names, until


def offered(kit: Kit, *, regions: str = "", capabilities: str = "") -> list[str]:
    """Without the distinction: everything."""
    served = Served(
        frozenset(regions.split()) if regions else None,
        frozenset(capabilities.split()) if capabilities else None,
    )
    return names(kit.open(served=served), only_unclaimed=True)


@pytest.mark.guarantee("regions")
def test_a_conductor_is_offered_jobs_of_its_regions(kit: Kit) -> None:
    for name, *groups in (
        ("anywhere",),
        ("eu", ("eu",)),
        ("either", ("eu", "us")),
        ("between", ("eu",), ("us",)),
    ):
        kit.post(name, needs=Needs(Demand(tuple(groups))))
    assert offered(kit) == ["anywhere", "eu", "either", "between"]
    assert offered(kit, regions="eu us") == ["anywhere", "eu", "either", "between"]
    assert offered(kit, regions="eu") == ["anywhere", "eu", "either"]
    assert offered(kit, regions="us") == ["anywhere", "either"]
    assert offered(kit, regions="asia") == ["anywhere"]


@pytest.mark.guarantee("regions")
def test_a_job_whose_owner_died_stays_in_its_region(kit: Kit) -> None:
    kit.post("eu", needs=Needs(Demand((("eu",),))))
    board = kit.open()
    board.claim(find(board, "eu"), "dead", expiry=SHORT)
    until(lambda: offered(kit, regions="eu") == ["eu"])
    assert offered(kit, regions="us") == []


@pytest.mark.guarantee("capabilities")
def test_a_conductor_is_offered_jobs_for_its_platforms(kit: Kit) -> None:
    both = ("openstack/transfer_export", "ovirt/transfer_import")
    kit.post("both", needs=Needs(Demand(capabilities=both)))
    kit.post("target", needs=Needs(Demand(capabilities=both[1:])))
    assert offered(kit, capabilities=" ".join(both)) == ["both", "target"]
    assert offered(kit, capabilities=both[1]) == ["target"]
    assert offered(kit, capabilities="vmware/transfer_export") == []


@pytest.mark.guarantee("limit-total")
def test_no_more_jobs_in_all_than_the_limit(kit: Kit) -> None:
    limits = Limits(total=2)
    one, two = kit.open("one", limits=limits), kit.open("two", limits=limits)
    for name in ("a", "b", "c"):
        kit.post(name)
    one.claim(find(one, "a"), "one")
    two.claim(find(two, "b"), "two")
    _refused(two, "c")
    one.abandon(_claimed(one, "a", "one"), "one")
    assert names(two, only_unclaimed=True) == ["a"]  # it has begun: it goes on before others begin
    with pytest.raises(UnclaimableJob):
        two.claim(find(two, "c"), "two")
    _end(one, "a", "one")
    assert names(two, only_unclaimed=True) == ["c"]
    two.claim(find(two, "c"), "two")


@pytest.mark.guarantee("limit-endpoint")
def test_no_more_jobs_on_one_endpoint_than_the_limit_and_others_overtake(kit: Kit) -> None:
    board = kit.open(limits=Limits(per_endpoint=2))
    for name, source, target in (
        ("a", "x", "y"),
        ("b", "x", "z"),
        ("c", "x", "q"),
        ("d", "q", "x"),
        ("e", "q", "y"),
        ("f", "y", "y"),
        ("g", None, "q"),
    ):
        kit.post(name, needs=Needs(origin_endpoint_id=source, destination_endpoint_id=target))
    board.claim(find(board, "a"), "me")
    board.claim(find(board, "b"), "me")
    assert names(board, only_unclaimed=True) == ["e", "f", "g"]
    for full in ("c", "d"):
        with pytest.raises(UnclaimableJob):
            board.claim(find(board, full), "me")
    board.claim(find(board, "f"), "me")  # both its ends are one endpoint, and it is one job there
    assert names(board, only_unclaimed=True) == ["g"]
    _end(board, "b", "me")
    assert names(board, only_unclaimed=True) == ["c", "d", "g"]


@pytest.mark.guarantee("limit-host")
def test_no_more_jobs_on_one_host_than_the_limit(kit: Kit) -> None:
    limits = Limits(per_host=1)
    first, second = kit.open("one", limits=limits), kit.open("one", limits=limits)
    elsewhere = kit.open("two", limits=limits)
    for name in ("a", "b", "c"):
        kit.post(name)
    job = find(first, "a")
    first.claim(job, "first", expiry=60)
    _refused(second, "b")
    elsewhere.claim(find(elsewhere, "b"), "elsewhere")
    _refused(elsewhere, "c")
    first.abandon(job, "first")
    second.claim(find(second, "a"), "second")
    _refused(first, "c")


@pytest.mark.guarantee("limits-at-once")
@pytest.mark.parametrize("limits", [Limits(total=3), Limits(per_endpoint=3), Limits(per_host=3)])
def test_limits_hold_exactly_however_many_claim_at_once(kit: Kit, limits: Limits) -> None:
    for number in range(12):
        kit.post(str(number), needs=Needs(origin_endpoint_id="x", destination_endpoint_id=f"{number % 2}"))
    crew = _Crew()
    threads = [
        threading.Thread(target=crew.work, args=(str(n), kit.open("host", limits=limits))) for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(crew.done) == sorted(str(number) for number in range(12))
    assert 1 <= crew.most <= 3


@pytest.mark.guarantee("undoing-first")
def test_a_job_to_be_undone_waits_for_no_limit_and_comes_first(kit: Kit) -> None:
    limits = Limits(total=1, per_endpoint=1, per_host=1)
    board, other = kit.open("one", limits=limits), kit.open("two", limits=limits)
    needs = Needs(origin_endpoint_id="x")
    kit.post("a", needs=needs)
    dead = kit.open("dead")  # without the limits, so that it can be over them
    kit.post("b", needs=needs)
    kit.post("c", needs=needs)
    board.claim(find(board, "a"), "me", expiry=60)
    dead.claim(find(dead, "b"), "dead", expiry=SHORT)
    kit.wish_to_cancel(find(board, "b"))
    until(lambda: names(other, only_unclaimed=True) == ["b"])
    job = next(board.iterjobs(only_unclaimed=True))
    board.claim(job, "me")
    assert job.undoing


@pytest.mark.guarantee("place")
def test_a_user_sees_the_place_of_a_job_and_why_it_waits(kit: Kit) -> None:
    limits = Limits(total=3, per_endpoint=1)
    board = kit.open(limits=limits)
    for number in range(4):
        kit.post(str(number), needs=Needs(origin_endpoint_id="x"))
    far = Needs(Demand((("far",),)), origin_endpoint_id="y")
    kit.post("far", needs=far)
    board.claim(find(board, "0"), "me")
    place = kit.place(find(board, "2"), limits)
    assert (place.position, place.reason) == (2, WaitReason.ENDPOINT_LIMIT)
    place = kit.place(find(board, "far"), limits)
    assert (place.position, place.reason) == (1, WaitReason.NO_CONDUCTOR_FREE)
    kit.post("urgent", priority="HIGH", needs=Needs())
    assert kit.place(find(board, "2"), limits).position == 3
    board.claim(find(board, "urgent"), "me")
    board.claim(find(board, "far"), "me")
    assert kit.place(find(board, "3"), limits).reason is WaitReason.TOTAL_LIMIT


class _Crew:
    """Workers that claim, hold for a moment and end whatever they are offered, until all is done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.most = 0
        self._held = 0
        self._lock = threading.Lock()

    def work(self, who: str, board: JobBoard) -> None:
        deadline = time.monotonic() + 60
        while len(self.done) < 12 and time.monotonic() < deadline:
            for job in board.iterjobs(only_unclaimed=True):
                try:
                    board.claim(job, who)
                except (UnclaimableJob, NotFound):
                    continue
                self._hold()
                self._let_go(board, job, who)
            time.sleep(0.01)

    def _hold(self) -> None:
        with self._lock:
            self._held += 1
            self.most = max(self.most, self._held)
        time.sleep(0.1)

    def _let_go(self, board: JobBoard, job: Any, who: str) -> None:
        with self._lock:
            self._held -= 1
            board.consume(job, who)
        self.done.append(job.name)


def _refused(board: JobBoard, name: str) -> None:
    assert names(board, only_unclaimed=True) == []
    with pytest.raises(UnclaimableJob):
        board.claim(find(board, name), "me")


def _claimed(board: JobBoard, name: str, who: str) -> Any:
    job = find(board, name)
    assert board.find_owner(job) == who
    return job


def _end(board: JobBoard, name: str, who: str) -> None:
    job = find(board, name)
    try:
        board.claim(job, who)
    except JobFailure:
        assert board.find_owner(job) == who
    board.consume(job, who)
