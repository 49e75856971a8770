"""Limits by fake clocks: what passes, whatever the sizes and however many share it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent.bucket import BURST_SECONDS, Bucket
from coriolis.errors import Cancelled
from coriolis.transfer.limits import Limiter, Limits, SharedBucket, SharedLimit
from coriolis.transfer.slots import Slots

MIB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def in_memory(rate: float, clock: Clock, _: Path) -> Bucket:
    return Bucket(rate, clock, clock.sleep)


def in_a_file(rate: float, clock: Clock, directory: Path) -> Bucket:
    return SharedBucket(directory / "limits" / "endpoint", rate, clock, clock.sleep)


MAKERS = pytest.mark.parametrize("make", [in_memory, in_a_file])
Maker = Callable[[float, Clock, Path], Bucket]


@MAKERS
@pytest.mark.parametrize(("rate", "size"), [(65536, 512), (20 * MIB, MIB), (2 * MIB, 10 * MIB)])
def test_the_rate_holds(make: Maker, rate: int, size: int, tmp_path: Path) -> None:
    clock = Clock()
    bucket = make(float(rate), clock, tmp_path)
    began, passed = clock.now, 0
    while clock.now - began < 20:
        bucket.take(size)
        passed += size
    assert 0.99 <= passed / (clock.now - began) / rate <= 1.02


@given(
    sizes=st.lists(st.integers(1, 2 * MIB), min_size=1, max_size=60),
    pauses=st.lists(st.floats(0, 2), min_size=1),
)
def test_never_more_than_the_rate_and_a_burst(sizes: list[int], pauses: list[float]) -> None:
    """At any moment, after any pauses: what went is within rate x time + burst, but for the piece that goes."""
    clock, rate = Clock(), 1.0 * MIB
    bucket = Bucket(rate, clock, clock.sleep)
    began, passed = clock.now, 0
    for number, size in enumerate(sizes):
        clock.now += pauses[number % len(pauses)]
        bucket.take(size)
        assert passed <= rate * (clock.now - began + BURST_SECONDS) + 1
        passed += size


@MAKERS
def test_a_changed_rate_holds_at_once(make: Maker, tmp_path: Path) -> None:
    clock = Clock()
    bucket = make(1e9, clock, tmp_path)
    for _ in range(1000):
        bucket.reserve(MIB)  # a debt of a second
    bucket.set_rate(float(MIB))
    assert bucket.reserve(MIB) == pytest.approx(1.0)
    bucket.set_rate(0)
    assert bucket.reserve(1 << 40) == 0


def test_processes_share_a_file(tmp_path: Path) -> None:
    clock = Clock()
    one, other = (in_a_file(10.0 * MIB, clock, tmp_path) for _ in range(2))
    began, passed = clock.now, 0
    while clock.now - began < 10:
        for bucket in (one, other, one):
            bucket.take(MIB)
            passed += MIB
    assert 0.97 <= passed / (clock.now - began) / (10 * MIB) <= 1.03


def test_what_one_leaves_the_other_may_use(tmp_path: Path) -> None:
    clock = Clock()
    in_a_file(10.0 * MIB, clock, tmp_path)
    test_the_rate_holds(in_a_file, 20 * MIB, MIB, tmp_path)


def test_a_file_of_another_boot_or_cut_is_begun_anew(tmp_path: Path) -> None:
    clock = Clock()
    in_a_file(float(MIB), clock, tmp_path).reserve(1 << 30)
    clock.now = 5.0  # the monotonic clock began again
    assert in_a_file(float(MIB), clock, tmp_path).reserve(MIB) == pytest.approx(1.0)
    (tmp_path / "limits/endpoint").write_bytes(b"?")
    assert in_a_file(float(MIB), clock, tmp_path).reserve(MIB) == pytest.approx(1.0)


def test_pieces_are_no_longer_than_a_burst(tmp_path: Path) -> None:
    assert Bucket(4.0 * MIB).piece(MIB) == MIB
    assert Bucket(2.0 * MIB).piece(MIB) == MIB // 2
    assert Bucket().piece(MIB) == MIB
    shared = (SharedLimit(tmp_path / "a", 65536.0), SharedLimit(tmp_path / "b", 0.0))
    assert Limiter(Limits(wire=2.0 * MIB, shared=shared)).piece(MIB) == 16384


def test_the_tightest_limit_holds(tmp_path: Path) -> None:
    waits: list[float] = []
    shared = (SharedLimit(tmp_path / "a", 0.5 * MIB), SharedLimit(tmp_path / "b", 0.0))
    limiter = Limiter(Limits(wire=1.0 * MIB, shared=shared), sleep=waits.append)
    limiter.take(MIB)
    assert waits[0] == pytest.approx(2.0, abs=0.1)
    limiter.set(Limits(shared=(SharedLimit(tmp_path / "a", 0.0),)))
    limiter.take(1 << 40)
    assert len(waits) == 1
    assert not limiter.limits_wire


def test_no_more_disks_than_the_weaker_worker_has_processors() -> None:
    slots, running, most = Slots(4), [0], [0]
    lock = threading.Lock()

    def copy() -> None:
        with slots.held(2, lambda: None):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            threading.Event().wait(0.02)
            with lock:
                running[0] -= 1

    threads = [threading.Thread(target=copy) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 2


def test_who_waits_for_a_slot_can_be_stopped() -> None:
    def check() -> None:
        raise Cancelled

    slots = Slots(1)
    with slots.held(8, lambda: None), pytest.raises(Cancelled), slots.held(8, check):
        pass
