import pytest

from coriolis.agent.frames import Geometry
from coriolis.model.progress import DiskProgress
from coriolis.transfer.algorithm import choose_method
from coriolis.transfer.progress import Meter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_told_once_a_second_and_at_the_end() -> None:
    clock, told = Clock(), list[DiskProgress]()
    meter = Meter("d", 1000, told.append, clock)
    for tenth in range(25):
        clock.now = 100 + tenth / 10
        meter.update(tenth * 10, tenth)
    assert [report.scanned for report in told] == [0, 100, 200]
    meter.update(1000, 40, last=True)
    assert (told[-1].scanned, told[-1].moved, told[-1].eta_seconds) == (1000, 40, 0.0)


def test_rate_is_that_of_the_last_seconds() -> None:
    clock, told = Clock(), list[DiskProgress]()
    meter = Meter("d", 100_000, told.append, clock)
    for second in range(1, 21):
        clock.now = 100 + second
        meter.update(second * 1000 if second <= 10 else 10_000 + (second - 10) * 100, 0)
    assert told[5].rate == pytest.approx(1000)
    assert told[-1].rate == pytest.approx(100)
    assert told[-1].eta_seconds == pytest.approx(89_000 / 100)


def test_no_rate_no_eta() -> None:
    told = list[DiskProgress]()
    Meter("d", 10, told.append, Clock()).update(0, 0)
    assert (told[0].rate, told[0].eta_seconds) == (0.0, None)


@pytest.mark.parametrize(
    ("source", "destination", "chosen"),
    [
        ({"sha256": 1500, "blake2b": 830}, {"sha256": 1500, "blake2b": 830}, "sha256"),
        ({"sha256": 430, "blake2b": 830}, {"sha256": 1500, "blake2b": 830}, "sha256"),
        ({"sha256": 430, "blake2b": 830}, {"sha256": 430, "blake2b": 830}, "blake2b"),
        ({"sha256": 20, "blake2b": 10}, {"sha256": 20, "blake2b": 10}, "sha256"),
    ],
)
def test_algorithm(source: dict[str, float], destination: dict[str, float], chosen: str) -> None:
    assert choose_method(Geometry(1, 4096), source, destination).algorithm == chosen
