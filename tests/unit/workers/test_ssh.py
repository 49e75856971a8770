"""Sessions against a real sshd."""

import stat
import subprocess
import time
from pathlib import Path

import pytest

from coriolis.errors import Cancelled, WorkerError, WorkerIdentityChanged, WorkerUnreachable
from coriolis.model.secret import Secret
from coriolis.workers.memory_file import MemoryFile
from coriolis.workers.ssh import SshSession, wait_for_ssh
from tests.unit.sshd import PASSWORD, PrivateSshd


def test_run_passes_stdin_words_and_status(sshd: PrivateSshd) -> None:
    with SshSession(sshd.login(), "w1") as session:
        assert session.run("cat", b"bytes \0\xff").stdout == b"bytes \0\xff"
        assert session.run(["printf", "%s|", "a b", "$HOME", "'"]).text == "a b|$HOME|'|"
        assert session.run("exit 3", check=False).returncode == 3
        with pytest.raises(WorkerError, match=r"Worker VM 'w1': echo no >&2; exit 3 failed with code 3: no"):
            session.run("echo no >&2; exit 3")


def test_a_redacted_secret_is_not_in_the_error(sshd: PrivateSshd) -> None:
    with SshSession(sshd.login()) as session, pytest.raises(WorkerError) as caught:
        session.run("echo hidden >&2; false", redact=[Secret("hidden")])
    assert "hidden" not in str(caught.value)


def test_a_command_that_does_not_end(sshd: PrivateSshd) -> None:
    with SshSession(sshd.login()) as session, pytest.raises(WorkerError, match="no end after 1 s"):
        session.run("sleep 30", timeout=1)


def test_password_login(sshd: PrivateSshd) -> None:
    login = sshd.login(private_key=None, password=Secret(PASSWORD))
    with SshSession(login) as session:
        assert session.run("id -un").text == "root\n"


def test_a_wrong_password_is_said(sshd: PrivateSshd) -> None:
    login = sshd.login(private_key=None, password=Secret("wrong"))
    with SshSession(login) as session, pytest.raises(WorkerUnreachable, match="Permission denied"):
        session.run("true")


def test_a_login_without_credentials() -> None:
    from coriolis.model.worker import SshLogin

    with pytest.raises(WorkerError, match="neither a private key nor a password"):
        SshSession(SshLogin("127.0.0.1", "root"))


def test_a_pinned_key_must_fit(sshd: PrivateSshd, tmp_path: Path) -> None:
    with SshSession(sshd.login(host_key=sshd.host_key)) as session:
        session.run("true")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    with SshSession(sshd.login(host_key=other)) as session, pytest.raises(WorkerIdentityChanged):
        session.run("true")


def test_the_first_key_is_learnt(sshd: PrivateSshd) -> None:
    with SshSession(sshd.login()) as session:
        assert session.pinned().host_key is None
        session.run("true")
        assert session.pinned().host_key == sshd.host_key


def test_no_secret_shows_in_a_process_list(sshd: PrivateSshd) -> None:
    for login in (sshd.login(), sshd.login(private_key=None, password=Secret(PASSWORD))):
        with SshSession(login) as session:
            process = session.popen("sleep 5")
            time.sleep(1.0)
            shown = b""
            for pid in (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()):
                for name in ("cmdline", "environ"):
                    try:
                        shown += Path("/proc", pid, name).read_bytes()
                    except OSError:
                        continue
            process.kill()
            process.communicate()
        assert PASSWORD.encode() not in shown
        assert login.private_key is None or login.private_key.reveal().split("\n")[1].encode() not in shown


def test_wait_gives_the_pinned_login(sshd: PrivateSshd) -> None:
    assert wait_for_ssh(sshd.login(), "w1", 30).host_key == sshd.host_key


def test_wait_says_what_the_last_attempt_said(sshd: PrivateSshd) -> None:
    login = sshd.login(username="nobody-here")
    with pytest.raises(
        WorkerUnreachable, match=r"no SSH to nobody-here@127.0.0.1:\d+ within 1 s: .*Permission denied"
    ):
        wait_for_ssh(login, "w1", 1)


def test_wait_ends_when_check_raises(sshd: PrivateSshd) -> None:
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() > began + 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        wait_for_ssh(sshd.login(port=1), "w1", 60, check)
    assert time.monotonic() - began < 5


def test_a_memory_file_is_private_and_goes_away() -> None:
    with MemoryFile("key", b"secret") as file:
        status = Path(file.path).stat()
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert file.read() == b"secret"
        assert not Path(file.path).readlink().exists()
    assert not Path(file.path).exists()
