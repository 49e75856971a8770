"""Any part killed at any moment: the run that follows ends identical, and what was published is never false.

CORIOLIS_KILLS says how many kills (4; 20 in a long run), CORIOLIS_KILL_SEED which ones.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from coriolis.errors import TransferInterrupted
from coriolis.transfer.audit import verify_disk
from coriolis.transfer.process import run_copy_job
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import Pair
from tests.unit.transfer.processes import agents, children, holders, written

MIB = 1 << 20
SIZE = 96 * MIB
ROUTES = ("ssh", "tls", "direct")
KILLS = int(os.environ.get("CORIOLIS_KILLS", "4"))
SEED = int(os.environ.get("CORIOLIS_KILL_SEED", "4"))


def child(pair: Pair) -> list[int]:
    return children("coriolis.transfer.child")


def ssh(pair: Pair) -> list[int]:
    return children(f"-p\0{pair.sshd.port}\0")


def reader(pair: Pair) -> list[int]:
    return holders(pair.source)


def writer(pair: Pair) -> list[int]:
    return holders(pair.destination)


VICTIMS: tuple[Callable[[Pair], list[int]], ...] = (child, ssh, reader, writer)


@dataclass
class Killer:
    """Kills one of the victims once the destination has `share` of its bytes, from a thread that looks a few
    hundred times a second."""

    pair: Pair
    victims: Callable[[Pair], list[int]]
    share: float
    rng: random.Random
    stop: threading.Event = field(default_factory=threading.Event)
    done: bool = False

    def watch(self) -> None:
        while not self.stop.wait(0.003):
            if written(self.pair) >= self.share * SIZE and (found := self.victims(self.pair)):
                with suppress(ProcessLookupError):
                    os.kill(self.rng.choice(found), signal.SIGKILL)
                    self.done = True
                    return

    def __enter__(self) -> "Killer":
        self._thread = threading.Thread(target=self.watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()


def moments() -> Iterator[tuple[str, str, tuple[float, int]]]:
    rng = random.Random(SEED)  # noqa: S311 - test data
    for number in range(KILLS):
        victim = VICTIMS[number % len(VICTIMS)]
        route = ROUTES[number % len(ROUTES)]
        yield victim.__name__, route, (round(rng.uniform(-0.05, 0.9), 3), rng.randrange(1 << 30))


@pytest.mark.parametrize(("victim", "route", "moment"), list(moments()))
def test_the_run_after_a_kill_ends_identical(
    sshd: PrivateSshd, tmp_path: Path, victim: str, route: str, moment: tuple[float, int]
) -> None:
    pair, (share, seed) = Pair(sshd, tmp_path, SIZE), moment
    rng = random.Random(seed)  # noqa: S311 - test data
    pair.source.write_bytes(rng.randbytes(SIZE))
    victims = next(one for one in VICTIMS if one.__name__ == victim)
    with Killer(pair, victims, share, rng) as killer:
        try:
            run_copy_job(replace(pair.job(1), route=route), report=lambda _: None, check=lambda: None)
        except TransferInterrupted:
            assert killer.done
            assert not pair.manifest(1).exists()
        else:  # it came after the last flush, or not at all
            assert pair.identical()
    result = pair.copy(1, compare_destination=True)
    assert pair.identical()
    end = pair.end(pair.destination, "volume")
    assert verify_disk(end, pair.manifest(1)) == result.root_digest
    ending = time.monotonic() + 20
    while agents(pair):
        assert time.monotonic() < ending
        time.sleep(0.05)
