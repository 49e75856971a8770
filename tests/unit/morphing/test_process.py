"""The conductor's side against the real program, over a real SSH connection to this machine."""

import subprocess
import threading
import time
from pathlib import Path

import pytest

from coriolis.errors import Cancelled, MorphingError, NotSupported, WorkerUnreachable
from coriolis.model.enums import Firmware, OsType
from coriolis.model.morphing import MorphingProfile
from coriolis.model.worker import SshLogin
from coriolis.morphing.job import MorphJob
from coriolis.morphing.process import run_morph_job
from coriolis.morphing.program import offered_packages
from tests.unit.sshd import PrivateSshd


def job(login: SshLogin, **changes: object) -> MorphJob:
    """Of no disks at all: it ends when it looks for a root file system."""
    values: dict[str, object] = {
        "login": login,
        "disks": (),
        "token": 1,
        "os_type": OsType.LINUX,
        "firmware": Firmware.BIOS,
        "profile": MorphingProfile(),
        **changes,
    }
    return MorphJob(**values)  # type: ignore[arg-type]


def script(text: str) -> tuple[tuple[str, str], ...]:
    return (("osmorphing_pre_os_mount", f"#!/bin/sh\n{text}\n"),)


def test_a_failure_names_its_phase_and_reason(sshd: PrivateSshd) -> None:
    said: list[str] = []
    with pytest.raises(
        MorphingError, match="tried to mount the guest's file systems: no file system with"
    ) as caught:
        run_morph_job(job(sshd.login()), report=said.append, check=lambda: None)
    assert caught.value.fields["phase"] == "mount the guest's file systems"
    assert said[:2] == ["Find the guest's disks.", "Check the guest's disks."]


def test_cancelling_ends_the_remote_side_with_its_children(sshd: PrivateSshd, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    began = time.monotonic()

    def check() -> None:
        if pid_file.exists() and pid_file.read_text():
            raise Cancelled

    with pytest.raises(Cancelled):
        run_morph_job(
            job(sshd.login(), user_scripts=script(f"echo $$ >{pid_file}; exec sleep 300")),
            report=lambda _: None,
            check=check,
        )
    assert time.monotonic() - began < 30
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_a_dead_connection_ends_the_remote_side_too(sshd: PrivateSshd, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def cut() -> None:
        while not (pid_file.exists() and pid_file.read_text()):
            time.sleep(0.1)
        # the server's process of this connection is the parent of the program's
        program = int(
            Path(f"/proc/{pid_file.read_text().strip()}/status").read_text().split("PPid:\t")[1].split()[0]
        )
        shell = Path(f"/proc/{program}/status").read_text().split("PPid:\t")[1].split()[0]
        subprocess.run(["kill", "-9", shell], check=True)

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(MorphingError, match="tried to run a script of the user"):
        run_morph_job(
            job(sshd.login(), user_scripts=script(f"echo $$ >{pid_file}; exec sleep 300")),
            report=lambda _: None,
            check=lambda: None,
        )
    cutter.join()
    end = time.monotonic() + 20
    while Path(f"/proc/{pid_file.read_text().strip()}").exists():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_time_runs_out(sshd: PrivateSshd) -> None:
    with pytest.raises(MorphingError, match="it took too long"):
        run_morph_job(
            job(sshd.login(), user_scripts=script("sleep 300"), timeout=2.0),
            report=lambda _: None,
            check=lambda: None,
        )


def test_a_failing_script_fails_the_morphing_and_its_text_is_not_told(sshd: PrivateSshd) -> None:
    said: list[str] = []
    with pytest.raises(MorphingError, match="user-script failed with code 7: no such licence") as caught:
        run_morph_job(
            job(sshd.login(), user_scripts=script("KEY=hunter2; echo no such licence >&2; exit 7")),
            report=said.append,
            check=lambda: None,
        )
    assert "hunter2" not in str(caught.value) + "".join(said)


def test_an_absent_worker_is_no_fault_of_the_guest(sshd: PrivateSshd) -> None:
    with pytest.raises(WorkerUnreachable):
        run_morph_job(job(sshd.login(port=1)), report=lambda _: None, check=lambda: None)


def test_windows_is_refused_at_once(sshd: PrivateSshd) -> None:
    with pytest.raises(NotSupported, match="Windows"):
        run_morph_job(job(sshd.login(), os_type=OsType.WINDOWS), report=lambda _: None, check=lambda: None)


def test_package_sets(tmp_path: Path) -> None:
    (tmp_path / "debian-12").mkdir()
    (tmp_path / "debian-12/a_1_all.deb").write_bytes(b"x")
    (tmp_path / "debian-12/Release").write_bytes(b"x")
    assert offered_packages(tmp_path) == {"debian-12": {"a_1_all.deb": tmp_path / "debian-12/a_1_all.deb"}}
    assert offered_packages(None) == offered_packages(tmp_path / "absent") == {}
