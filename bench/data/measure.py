"""One run and its cost; many runs in turn."""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.data.accounts import Accounts, busy_seconds, loopback_bytes
from bench.data.candidates import Candidate, Place
from bench.data.sampler import Sampler

MIB = 1 << 20
_QUIET = 0.25  # processors that others may take before a run begins
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds and bytes. `foreign`: processors that others took meanwhile; `agent_memory` and `total_memory` are
    peaks of anonymous memory; `carried` is what the product says that its frames took."""

    candidate: str
    image: str
    size: int
    round: int
    wall: float
    cpu: float
    foreign: float
    wire: int
    agent_memory: int
    child_memory: int
    total_memory: int
    first_byte: float | None
    moved: int | None = None
    zero: int | None = None
    carried: int | None = None
    identical: bool | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one candidate with one image."""

    samples: tuple[Sample, ...]

    @property
    def candidate(self) -> str:
        return self.samples[0].candidate

    @property
    def image(self) -> str:
        return self.samples[0].image

    @property
    def size(self) -> int:
        return self.samples[0].size

    def median(self, name: str) -> float:
        return statistics.median(float(getattr(sample, name)) for sample in self.samples)

    def worst(self, name: str) -> float:
        return max(float(getattr(sample, name) or 0.0) for sample in self.samples)

    @property
    def rate(self) -> float:
        """MB of disk a second."""
        return self.size / 1e6 / self.median("wall")

    def data(self) -> list[dict[str, Any]]:
        return [asdict(sample) for sample in self.samples]


class Bench:
    def __init__(self, place: Place, accounts: Accounts, patience: float, say: Callable[[str], None]) -> None:
        """`patience`: seconds to wait, before each run, for the others on this machine to be quiet."""
        self._place = place
        self._accounts = accounts
        self._patience = patience
        self._say = say
        self._destination = place.directory / "destination.img"

    def rounds(
        self, image: Path, candidates: Sequence[Candidate], count: int, *, name: str, base: Path | None = None
    ) -> list[Series]:
        """Interleaved, and rotated so that none always follows the same other. Raises RuntimeError if a copy is
        not identical.
        """
        samples: dict[str, list[Sample]] = {candidate.name: [] for candidate in candidates}
        for number in range(count):
            turn = number % len(candidates)
            for candidate in (*candidates[turn:], *candidates[:turn]):
                sample = self.run(candidate, image, name=name, number=number, base=base)
                samples[candidate.name].append(sample)
                self._say(
                    f"{name:>8} {number + 1}/{count} {candidate.name:<26} {sample.wall:7.2f} s "
                    f"{sample.cpu:7.2f} CPU s, {sample.foreign:.1f} processors with others"
                )
        return [Series(tuple(found)) for found in samples.values()]

    def run(
        self, candidate: Candidate, image: Path, *, name: str, number: int = 0, base: Path | None = None
    ) -> Sample:
        size = image.stat().st_size
        self._fresh(size, base)
        self._wait_for_quiet()
        with (
            self._accounts.counted(),
            candidate.prepare(self._place, self._destination) as port,
            Sampler(self._accounts, self._destination) as sampler,
        ):
            cpu, busy, wire, began = (
                self._accounts.seconds(),
                busy_seconds(),
                loopback_bytes(),
                time.monotonic(),
            )
            result = candidate.run(self._place, image, self._destination, port)
            wall = time.monotonic() - began
            wire = loopback_bytes() - wire
        cpu = self._accounts.seconds() - cpu
        foreign = max(0.0, busy_seconds() - busy - cpu) / wall
        identical = self._compare(candidate, image) if number == 0 else None
        return Sample(
            candidate.name,
            name,
            size,
            number,
            round(wall, 4),
            round(cpu, 4),
            round(foreign, 2),
            wire,
            sampler.agent,
            sampler.child,
            sampler.total,
            sampler.first_byte,
            moved=result.moved if result else None,
            zero=result.zero if result else None,
            carried=result.wire if result else None,
            identical=identical,
        )

    def _fresh(self, size: int, base: Path | None) -> None:
        if base is not None:
            shutil.copyfile(base, self._destination)
        else:
            self._destination.unlink(missing_ok=True)
            self._destination.touch()
            os.truncate(self._destination, size)
        os.sync()

    def _wait_for_quiet(self) -> None:
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            before = busy_seconds()
            time.sleep(_LOOK_SECONDS)
            if (busy_seconds() - before) / _LOOK_SECONDS < _QUIET:
                return

    def _compare(self, candidate: Candidate, image: Path) -> bool:
        done = subprocess.run(["cmp", str(image), str(self._destination)], capture_output=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()
            raise RuntimeError(f"the copy made by {candidate.name} is not identical: {said}")
        return True
