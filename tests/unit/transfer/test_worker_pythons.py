"""Whole copies between workers whose Python is the oldest or the newest one of this machine, and none at all."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coriolis.errors import WorkerError
from coriolis.transfer.process import run_copy_job
from coriolis.workers.ssh import SshSession
from tests.interpreters import label, oldest_and_newest
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import Pair, touch_leaves

MIB = 1 << 20


@pytest.fixture(scope="module", params=oldest_and_newest(), ids=label)
def worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSshd]:
    """Its python3 is the one that is asked for."""
    programs = tmp_path_factory.mktemp("programs")
    (programs / "python3").symlink_to(request.param)
    server = PrivateSshd(tmp_path_factory.mktemp("sshd"), f"{programs}:/usr/bin:/bin")
    with SshSession(server.login()) as session:
        version = session.run(["python3", "-c", "import sys; print(*sys.version_info[:2], sep='.')"]).text
    assert version.strip() == label(request.param)
    yield server
    server.stop()


@pytest.mark.parametrize("route", ["ssh", "tls", "direct"])
def test_every_role_over_every_route(worker: PrivateSshd, tmp_path: Path, route: str) -> None:
    pair = Pair(worker, tmp_path, 5 * MIB + 512)
    pair.destination.write_bytes(os.urandom(pair.size))
    changed = 0
    for generation in (1, 2):
        job = replace(pair.job(generation, compare_destination=True), route=route)
        (result,) = run_copy_job(job, report=lambda _: None, check=lambda: None)
        assert pair.identical()
        assert result.route == route
        assert generation == 1 or result.moved == changed
        changed = touch_leaves(pair.source, 0.05)


def test_a_worker_without_python_is_refused_clearly(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    server = PrivateSshd(tmp_path / "sshd", str(programs))
    try:
        pair = Pair(server, tmp_path, MIB)
        with pytest.raises(WorkerError, match=r"did not start \(code 127\)\. no python3 is installed"):
            pair.copy(1)
    finally:
        server.stop()


def test_a_worker_with_an_old_python_is_refused_clearly(tmp_path: Path) -> None:
    old = sorted(Path("/root/.pyenv/versions").glob("2.7.*/bin/python2.7"))
    if not old:
        pytest.skip("no Python before 3.6 on this machine")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(old[0])
    server = PrivateSshd(tmp_path / "sshd", f"{programs}:/usr/bin:/bin")
    try:
        pair = Pair(server, tmp_path, MIB)
        with pytest.raises(WorkerError, match=r"Python 3\.6 or later is needed, not 2\.7"):
            pair.copy(1)
    finally:
        server.stop()
