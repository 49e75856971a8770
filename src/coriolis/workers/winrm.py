"""Sessions to Windows worker VMs over WinRM: HTTPS with Basic authentication.

Self-signed certificates are the rule, so a worker's is pinned when it is first seen, before the password is sent.
"""

import base64
import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import requests
from pypsrp.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode
from pypsrp.wsman import WSMan

from coriolis.closing import Closing
from coriolis.errors import WorkerError, WorkerIdentityChanged, WorkerLoginRefused, WorkerUnreachable
from coriolis.model.secret import Secret
from coriolis.model.worker import WinRmLogin
from coriolis.runner import Completed
from coriolis.workers.output import check_status, shown
from coriolis.workers.pinned_https import pinned_session, presented_certificate
from coriolis.workers.piped_shell import PipedShell
from coriolis.workers.waiting import POLL_SECONDS, wait_for_login

logging.getLogger("pypsrp").setLevel(logging.CRITICAL)  # logs as errors what a worker that boots answers

_CONNECT_SECONDS = 20
_OPERATION_SECONDS = 5  # that the worker may wait for output before it answers that there is none
_READ_SECONDS = 60  # that an answer may take on a busy worker
_SEND_BYTES = 32 * 1024  # 150 KiB is the least that an envelope may have, and Base64 adds a third
_ACCESS_DENIED = 5

_READ_SCRIPT = (
    "$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue';$text=-join @($input);"
    "& ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($text))))"
)
_POWERSHELL = (
    # text both ways: an encoded command's streams are CLIXML otherwise
    "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -InputFormat Text -OutputFormat Text "
    f"-EncodedCommand {base64.b64encode(_READ_SCRIPT.encode('utf-16-le')).decode()}"
)
_CHECK_ADMINISTRATOR = """
$user = [Security.Principal.WindowsIdentity]::GetCurrent()
$role = [Security.Principal.WindowsBuiltInRole]::Administrator
if (-not (New-Object Security.Principal.WindowsPrincipal $user).IsInRole($role)) {
    throw "$($user.Name) is no administrator."
}
"""


class WinRmSession(Closing):
    """What it takes to run commands on one Windows worker; each has a shell of its own.

    `name` stands for the worker in errors. Without a pinned certificate the first connection's is learnt and holds
    for the life of this object; `pinned()` gives the login with it. Not shared between threads.
    """

    def __init__(self, login: WinRmLogin, name: str = "") -> None:
        self.login = login
        self.name = name or login.address
        self._certificate = login.certificate
        self._client: WSMan | None = None
        self._offered = ""

    def run(
        self,
        command: str,
        stdin: bytes = b"",
        *,
        timeout: float = 600,
        check: bool = True,
        redact: Sequence[Secret] = (),
    ) -> Completed:
        """Runs a line of cmd.exe to the end. All of `stdin` is sent before output is read: it is not for commands that
        print much before they have read it.

        With `check` a failing command raises WorkerError with the end of its output. Raises in any case
        WorkerUnreachable where the connection failed, WorkerIdentityChanged, WorkerLoginRefused, and WorkerError on a
        time-out, when the command has been ended.
        """
        done = self._execute(command, shown(command, redact), stdin, timeout)
        if check:
            check_status(self.name, command, done, redact)
        return done

    def run_script(
        self, script: str, *, timeout: float = 600, check: bool = True, redact: Sequence[Secret] = ()
    ) -> Completed:
        """Runs a PowerShell script as `run` does a command. It ends at the first error, with code 1, or with `exit`.

        It goes through standard input: of any length, and in no process list, so it may hold secrets.
        """
        done = self._execute(_POWERSHELL, "a script", base64.encodebytes(script.encode()), timeout)
        if check:
            check_status(self.name, "a script", done, redact)
        return done

    def pinned(self) -> WinRmLogin:
        """The login with the certificate that was given or learnt."""
        return replace(self.login, certificate=self._certificate)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _execute(self, command: str, label: str, stdin: bytes, timeout: float) -> Completed:
        began = time.monotonic()
        with self._understood(), self._started(command) as process:
            refused = _send(process, stdin)
            while process.state != CommandState.DONE:
                if time.monotonic() - began > timeout:
                    raise WorkerError(worker=self.name, reason=f"{label}: no end after {timeout:g} s.")
                process.poll_invoke()
        if stdin and refused and not process.rc:  # else its output tells more
            raise WorkerError(worker=self.name, reason=f"{label} did not take its input: {refused}")
        code = -1 if process.rc is None else process.rc
        return Completed(code, process.stdout, process.stderr, time.monotonic() - began)

    @contextmanager
    def _started(self, command: str) -> Iterator[Process]:
        """A process that is no more afterwards, as far as the worker can still be told."""
        shell = PipedShell(self._connected())
        shell.open()
        try:
            process = Process(shell, command)
            process.begin_invoke()
            try:
                yield process
            finally:
                with suppress(WinRMError, requests.RequestException):
                    process.signal(SignalCode.TERMINATE)
        finally:
            with suppress(WinRMError, requests.RequestException):
                shell.close()

    def _connected(self) -> WSMan:
        if self._client is None:
            login = self.login
            if self._certificate is None:
                self._certificate = presented_certificate(login.address, login.port, _CONNECT_SECONDS)
            session = pinned_session(self._certificate, login.username, login.password)
            session.hooks["response"].append(self._note_offer)
            client = WSMan(
                login.address,
                port=login.port,
                auth="basic",
                operation_timeout=_OPERATION_SECONDS,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
            )
            client.transport.session = session  # its own would check no certificate, or authorities
            self._client = client
        return self._client

    def _note_offer(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._offered = response.headers.get("WWW-Authenticate", "")

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """The library's exceptions as errors of ours."""
        try:
            yield
        except AuthenticationError as error:
            raise self._refusal() from error
        except WSManFaultError as error:
            if error.code == _ACCESS_DENIED:
                raise self._refused(f"access is denied. {error.reason}") from error
            raise WorkerError(worker=self.name, reason=f"WinRM: {error.reason or error}") from error
        except WinRMTransportError as error:
            reason = f"HTTP status {error.code} instead of an answer of WinRM."
            raise WorkerUnreachable(worker=self.name, reason=reason) from error
        except (WinRMError, ET.ParseError) as error:
            reason = f"no answer of WinRM: {error}"
            raise WorkerUnreachable(worker=self.name, reason=reason) from error
        except requests.exceptions.SSLError as error:
            if "Fingerprints did not match" in str(error):
                raise WorkerIdentityChanged(worker=self.name) from error
            raise WorkerUnreachable(worker=self.name, reason=str(error)) from error
        except OSError as error:  # requests' own are among them
            raise WorkerUnreachable(worker=self.name, reason=str(error)) from error

    def _refusal(self) -> WorkerError:
        """What answered 401. A worker that boots may not have been told yet to take Basic authentication."""
        if "basic" in self._offered.lower():
            return self._refused("user name or password is wrong.")
        reason = (
            "its WinRM takes no Basic authentication. Allow it in the template or image: "
            'winrm set winrm/config/service/auth @{Basic="true"}'
        )
        return WorkerError(worker=self.name, reason=reason)

    def _refused(self, reason: str) -> WorkerLoginRefused:
        return WorkerLoginRefused(worker=self.name, username=self.login.username, reason=reason)


def wait_for_winrm(
    login: WinRmLogin, name: str, timeout: float, check: Callable[[], None] = lambda: None
) -> WinRmLogin:
    """Waits until PowerShell runs as an administrator; gives the login with the worker's certificate pinned: use that
    one from then on.

    `check` is called several times a second and may raise. Raises WorkerLoginRefused at once, since tries with a wrong
    password lock accounts; WorkerIdentityChanged where a certificate was given; WorkerUnreachable after `timeout`
    seconds with what the last attempt said.
    """

    def attempt(seconds: float) -> tuple[WinRmLogin | None, str]:
        try:
            return _attempt(login, name, seconds, check)
        except WorkerLoginRefused:
            raise
        except WorkerIdentityChanged as error:
            if login.certificate is not None:
                raise
            return None, error.message  # a first boot that replaces it in the midst of an attempt
        except WorkerError as error:
            return None, str(error.fields["reason"])

    target = f"WinRM at {login.address}:{login.port}"
    return wait_for_login(attempt, name=name, target=target, timeout=timeout, check=check)


def _attempt(
    login: WinRmLogin, name: str, seconds: float, check: Callable[[], None]
) -> tuple[WinRmLogin | None, str]:
    """In a thread, for the library's calls return when they like. One that hangs ends by its own time-outs."""
    thread = ThreadPoolExecutor(1, "winrm")
    try:
        login_attempt = thread.submit(_log_in, login, name, seconds)
        end = time.monotonic() + seconds
        while not wait([login_attempt], timeout=POLL_SECONDS).done:
            check()
            if time.monotonic() > end:
                return None, "the connection hangs."
        return login_attempt.result(), ""
    finally:
        thread.shutdown(wait=False)


def _log_in(login: WinRmLogin, name: str, seconds: float) -> WinRmLogin:
    with WinRmSession(login, name) as session:
        session.run_script(_CHECK_ADMINISTRATOR, timeout=seconds)
        return session.pinned()


def _send(process: Process, stdin: bytes) -> str:
    """To the end; why the worker did not take all of it, or nothing. A command may have ended before."""
    try:
        for begin in range(0, len(stdin), _SEND_BYTES):
            process.send(stdin[begin : begin + _SEND_BYTES], end=False)
        process.send(b"", end=True)
    except WSManFaultError as error:
        return str(error.reason or error)
    return ""
