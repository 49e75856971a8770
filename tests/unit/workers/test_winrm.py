"""Sessions of the real client library to a server that speaks WS-Management."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from coriolis.errors import (
    Cancelled,
    WorkerError,
    WorkerIdentityChanged,
    WorkerLoginRefused,
    WorkerUnreachable,
)
from coriolis.model.secret import Secret, SecretCodec
from coriolis.model.worker import SshLogin, WinRmLogin
from coriolis.workers import winrm
from coriolis.workers.winrm import WinRmSession, wait_for_winrm
from tests.unit.winrm_server import PASSWORD, Output, WinRmServer


def programs(line: str, stdin: bytes) -> Output | None:
    match line.split(" ", 1):
        case ["echo", words]:
            return Output(stdout=words.encode() + b"\r\n")
        case ["find", _]:
            return Output(stdout=stdin)
        case ["exit", code]:
            return Output(int(code), stderr=b"it was told to")
        case ["pause"]:
            return None
    return Output(9009, stderr=f"'{line}' is not recognized as a command".encode())


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[WinRmServer]:
    server = WinRmServer(tmp_path, programs=programs)
    yield server
    server.stop()


@pytest.fixture
def session(guest: WinRmServer) -> Iterator[WinRmSession]:
    with WinRmSession(guest.login(), "w1") as session:
        yield session


@pytest.fixture(autouse=True)
def _short_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winrm, "_OPERATION_SECONDS", 1)


def test_a_command_gives_its_output_and_status(guest: WinRmServer, session: WinRmSession) -> None:
    guest.piece = 3
    assert session.run("echo hello there").text == "hello there\r\n"
    failed = session.run("exit 3", check=False)
    assert (failed.returncode, failed.stdout, failed.stderr) == (3, b"", b"it was told to")
    with pytest.raises(WorkerError, match=r"Worker VM 'w1': exit 3 failed with code 3: it was told to"):
        session.run("exit 3")
    assert not guest.shells


def test_input_of_many_envelopes_arrives_as_it_is(session: WinRmSession) -> None:
    data = bytes(range(256)) * 400
    assert session.run('find ""', data).stdout == data


def test_a_script_goes_through_standard_input(guest: WinRmServer, session: WinRmSession) -> None:
    guest.programs = lambda line, stdin: Output(stdout=f"{line}: {stdin.decode()}".encode())
    script = "Write-Output 'größer'\n" * 5000
    assert session.run_script(script).text == f"powershell.exe: {script}"
    guest.programs = lambda line, stdin: Output(1, stderr=b"The term 'Frobnicate' is not recognized")
    with pytest.raises(WorkerError, match="a script failed with code 1: The term 'Frobnicate'") as caught:
        session.run_script("Frobnicate -Password hidden")
    assert "hidden" not in str(caught.value)
    assert not any("Frobnicate" in request for request in guest.seen)  # as text: it would be in process lists


def test_a_redacted_secret_is_not_in_the_error(guest: WinRmServer, session: WinRmSession) -> None:
    with pytest.raises(WorkerError, match=r"\*\*\*") as caught:
        session.run("unlock hidden", redact=[Secret("hidden")])
    assert "hidden" not in str(caught.value)


def test_a_command_that_does_not_end_is_ended(guest: WinRmServer, session: WinRmSession) -> None:
    with pytest.raises(WorkerError, match=r"pause: no end after 1\.5 s"):
        session.run("pause", timeout=1.5)
    assert guest.ended == ["pause"]
    assert not guest.shells


def test_a_slow_worker_is_waited_for(guest: WinRmServer, session: WinRmSession) -> None:
    guest.delay = 1.3  # longer than an operation may take
    assert session.run("echo late").text == "late\r\n"


def test_input_that_is_not_taken(guest: WinRmServer, session: WinRmSession) -> None:
    """A command may well end before it has read its input; only one that says so is believed."""
    guest.takes_input = False
    assert session.run("echo hello").text == "hello\r\n"
    assert session.run("exit 3", b"input", check=False).returncode == 3
    with pytest.raises(WorkerError, match="did not take its input: The pipe is being closed"):
        session.run("echo hello", b"input")


def test_a_wrong_password_is_said(guest: WinRmServer) -> None:
    with (
        WinRmSession(guest.login(password=Secret("guessed")), "w1") as session,
        pytest.raises(
            WorkerLoginRefused, match=r"'w1' refused the log-in of user 'Admin'.*password"
        ) as caught,
    ):
        session.run("echo hello")
    assert "guessed" not in str(caught.value)
    assert not caught.value.retryable


def test_a_user_who_may_not_and_other_faults(guest: WinRmServer, session: WinRmSession) -> None:
    guest.fault = (5, "Access is denied.")
    with pytest.raises(WorkerLoginRefused, match="access is denied"):
        session.run("echo hello")
    guest.fault = (2150859173, "The maximum number of concurrent shells was exceeded.")
    with pytest.raises(WorkerError, match="WinRM: The maximum number of concurrent shells"):
        session.run("echo hello")


def test_basic_authentication_that_is_switched_off(guest: WinRmServer, session: WinRmSession) -> None:
    guest.basic = False
    with pytest.raises(WorkerError, match=r"takes no Basic authentication.*winrm set") as caught:
        session.run("echo hello")
    assert not isinstance(caught.value, WorkerLoginRefused)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_something_else_than_winrm_answers(guest: WinRmServer, session: WinRmSession, status: int) -> None:
    guest.http_status = status
    with pytest.raises(WorkerUnreachable, match=f"HTTP status {status}"):
        session.run("echo hello")


def test_nothing_answers(guest: WinRmServer) -> None:
    with WinRmSession(guest.login(port=1)) as session, pytest.raises(WorkerUnreachable, match="refused"):
        session.run("echo hello")


def test_a_worker_that_goes_away(guest: WinRmServer, session: WinRmSession) -> None:
    assert session.run("echo hello").text == "hello\r\n"
    guest.stop()
    session.close()
    with pytest.raises(WorkerUnreachable):
        session.run("echo hello")


def test_the_first_certificate_is_learnt(guest: WinRmServer, session: WinRmSession) -> None:
    assert session.pinned().certificate is None
    session.run("echo hello")
    assert session.pinned() == guest.login(certificate=guest.certificate)


def test_a_changed_certificate_is_told_no_password(guest: WinRmServer, session: WinRmSession) -> None:
    session.run("echo hello")
    session.close()
    requests = guest.requests
    guest.renew_certificate()
    with pytest.raises(WorkerIdentityChanged, match="another SSH host key or TLS certificate"):
        session.run("echo hello")
    with WinRmSession(guest.login(certificate="0" * 64)) as other, pytest.raises(WorkerIdentityChanged):
        other.run("echo hello")
    assert guest.requests == requests


def test_nothing_of_the_environment_counts(
    guest: WinRmServer, session: WinRmSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert session.run("echo hello").text == "hello\r\n"


def test_the_log_is_silent_about_secrets(
    guest: WinRmServer, session: WinRmSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    session.run_script("Set-Secret hidden", check=False)
    guest.http_status = 503
    with pytest.raises(WorkerUnreachable):
        session.run("echo hello")
    assert PASSWORD not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("pypsrp")]


def test_wait_gives_the_pinned_login(guest: WinRmServer) -> None:
    assert wait_for_winrm(guest.login(), "w1", 30) == guest.login(certificate=guest.certificate)
    assert "IsInRole" in guest.scripts[0]
    assert not guest.shells


def test_wait_outlasts_a_boot(guest: WinRmServer) -> None:
    """In the order of a first boot: the port answers, then HTTP, then WinRM without Basic, then with a new name."""
    guest.http_status = 503

    def boot() -> None:
        time.sleep(0.5)
        guest.basic, guest.http_status = False, 0
        time.sleep(2.0)
        guest.renew_certificate()
        guest.basic = True

    thread = threading.Thread(target=boot)
    thread.start()
    login = wait_for_winrm(guest.login(), "w1", 60)
    thread.join()
    assert login.certificate == guest.certificate


def test_wait_says_what_the_last_attempt_said(guest: WinRmServer) -> None:
    guest.administrator = False
    with pytest.raises(WorkerUnreachable, match=r"no WinRM at 127.0.0.1:\d+ within 1 s: .* no administrator"):
        wait_for_winrm(guest.login(), "w1", 1)


def test_wait_does_not_lock_an_account_with_a_wrong_password(guest: WinRmServer) -> None:
    with pytest.raises(WorkerLoginRefused):
        wait_for_winrm(guest.login(password=Secret("guessed")), "w1", 60)
    assert guest.requests == 1


def test_wait_does_not_take_another_certificate(guest: WinRmServer) -> None:
    with pytest.raises(WorkerIdentityChanged):
        wait_for_winrm(guest.login(certificate="0" * 64), "w1", 60)


def test_wait_ends_when_check_raises_though_the_worker_hangs() -> None:
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() > began + 1:
            raise Cancelled

    with socket.create_server(("127.0.0.1", 0)) as silent:
        login = WinRmLogin("127.0.0.1", "Admin", Secret("x"), silent.getsockname()[1])
        with pytest.raises(Cancelled):
            wait_for_winrm(login, "w1", 60, check)
        assert time.monotonic() - began < 5


def test_logins_are_told_apart_when_they_are_stored() -> None:
    """As a step's result is: a union without a discriminator, of which the older kind is on record already."""
    adapter: TypeAdapter[SshLogin | WinRmLogin] = TypeAdapter(SshLogin | WinRmLogin)
    codec = {"secrets": SecretCodec(lambda text: text[::-1], lambda text: text[::-1])}
    for login in (
        WinRmLogin("10.0.0.1", "Admin", Secret("p"), certificate="ab"),
        WinRmLogin("10.0.0.1", "Admin", Secret("p")),
        SshLogin("10.0.0.1", "root", password=Secret("p")),
        SshLogin("10.0.0.1", "root", private_key=Secret("k"), host_key="ssh-ed25519 AAAA"),
    ):
        stored = adapter.dump_python(login, mode="json", context=codec)
        assert adapter.validate_python(stored, context=codec) == login
