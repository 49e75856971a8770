"""`coriolis serve` as a process: says where it listens, holds its directory alone, stops when told to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from coriolis.cli.main import main

_CORIOLIS = (sys.executable, "-m", "coriolis.cli.main")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", str, Path]]:
    state_dir = tmp_path / "state"
    args = (*_CORIOLIS, "serve", "--state-dir", str(state_dir), "--port", "0")
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Coriolis listens on http://127.0.0.1:"), (tmp_path / "log").read_text()
        yield process, line.split()[-1], state_dir
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return bool(requests.get(f"{url}/healthz", timeout=5).json() == {"status": "ok"})
        except requests.ConnectionError:
            time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(
    served: tuple["subprocess.Popen[str]", str, Path],
    number: signal.Signals,
    capsys: pytest.CaptureFixture[str],
) -> None:
    process, url, state_dir = served
    assert _answers(url)
    assert state_dir.stat().st_mode & 0o077 == 0
    assert main(["serve", "--state-dir", str(state_dir), "--port", "0"]) == 1
    assert capsys.readouterr().err == (
        f"Error: Another coriolis process holds the state directory {state_dir}.\n"
        "Hint: Stop it first, or give this one a directory of its own.\nCode: CORI-8001\n"
    )
    os.kill(process.pid, number)
    assert process.wait(60) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/healthz", timeout=5)


def test_a_killed_server_leaves_its_directory_usable(
    served: tuple["subprocess.Popen[str]", str, Path],
) -> None:
    process, url, state_dir = served
    body = {"endpoint": {"name": "e", "type": "punchcards", "connection_info": {}}}
    assert requests.post(f"{url}/v1/p/endpoints", json=body, timeout=20).status_code == 400
    process.kill()
    process.wait()
    args = (*_CORIOLIS, "serve", "--state-dir", str(state_dir), "--port", "0")
    again = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert again.stdout is not None
        assert _answers(again.stdout.readline().split()[-1])
    finally:
        again.kill()
        again.wait()


def test_an_address_that_cannot_be_listened_on(
    served: tuple["subprocess.Popen[str]", str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = served[1].rpartition(":")[2]
    assert main(["serve", "--state-dir", str(tmp_path / "other"), "--port", port]) == 1
    assert capsys.readouterr().err == (
        f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use.\nCode: CORI-1400\n"
    )


def test_settings_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "coriolis.conf"
    file.write_text("[api]\nport = many\n")
    assert main(["serve", "--config-file", str(file), "--state-dir", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert str(file) in told
    assert "port" in told
