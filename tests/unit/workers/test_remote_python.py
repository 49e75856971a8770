import subprocess
import sys
from pathlib import Path

import pytest

from coriolis import agent
from coriolis.workers import remote_python


def test_no_python_is_said_clearly(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", remote_python.shell_command(sudo=False)]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, check=False)
    assert done.returncode == remote_python.NO_PYTHON_STATUS
    assert remote_python.NO_PYTHON in done.stderr.decode()


@pytest.mark.parametrize("old", sorted(Path("/root/.pyenv/versions").glob("2.7.*/bin/python2.7")))
def test_a_python_that_is_too_old_is_said_clearly(old: Path) -> None:
    done = subprocess.run([old, "-c", remote_python.BOOT], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Python 3.6 or later is needed, not 2.7" in done.stderr


def test_a_cut_bundle_ends_the_boot() -> None:
    bundle = remote_python.bundle(agent.__name__, agent.ORDER, "main")
    command = [sys.executable, "-c", remote_python.BOOT]
    assert subprocess.run(command, input=bundle[:1000], check=False).returncode == 3


def test_the_bundle_needs_nothing_of_ours() -> None:
    """Isolated from site packages and from this tree."""
    bundle = remote_python.bundle(agent.__name__, agent.ORDER, "main")
    command = [sys.executable, "-I", "-S", "-c", remote_python.BOOT]
    done = subprocess.run(command, input=bundle, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
