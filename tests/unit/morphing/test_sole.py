"""Two conductors that both think the job is theirs, and one worker VM."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.sole import sole_program

# Polite: leaves when it is told to, after a while, as one that has something to unmount.
_PROGRAM = """
import signal, sys, time
from coriolis.morphing.guest.sole import sole_program

def leave(number, frame):
    raise SystemExit

signal.signal(signal.SIGTERM, {answer})
with sole_program({token}, {place!r}):
    try:
        print("here", flush=True)
        time.sleep(60)
    finally:
        time.sleep(0.5)
        print("unmounted", flush=True)
"""


@contextmanager
def program(place: Path, token: int, answer: str = "leave") -> Iterator["subprocess.Popen[str]"]:
    text = _PROGRAM.format(token=token, place=str(place), answer=answer)
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_program_of_an_earlier_owner_is_told_to_leave_and_waited_for(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with program(place, 3) as earlier, sole_program(4, str(place)):
        assert earlier.stdout is not None
        assert earlier.stdout.readline() == "unmounted\n"


def test_the_program_of_a_stale_owner_does_not_begin(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with program(place, 4) as newer:
        with pytest.raises(MorphFailure, match="taken this job over"), sole_program(3, str(place)):
            pass
        assert newer.poll() is None
    with pytest.raises(MorphFailure, match="taken this job over"), sole_program(3, str(place)):
        pass  # not even when the newer one has ended


def test_a_second_try_of_the_same_owner_takes_the_place_of_the_first(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with program(place, 4), sole_program(4, str(place)):
        pass


def test_one_that_does_not_leave_is_named(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with program(place, 3, answer="signal.SIG_IGN") as stubborn:
        with (
            pytest.raises(MorphFailure, match=f"process {stubborn.pid} .* does not leave"),
            sole_program(4, str(place), patience=0.5),
        ):
            pass
        assert stubborn.poll() is None
