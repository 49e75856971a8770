"""Sessions to worker VMs over the OpenSSH client.

The client process, not a Python SSH library, because bulk data goes through it: it costs 40 % of the
processor time of paramiko and leaves our interpreter free. Nothing of the user's own configuration, keys,
agent or known hosts counts.
"""

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from coriolis import runner
from coriolis.closing import Closing
from coriolis.errors import CommandFailed, WorkerError, WorkerIdentityChanged, WorkerUnreachable
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin
from coriolis.runner import Completed
from coriolis.workers.memory_file import MemoryFile
from coriolis.workers.output import check_status, shown, tail
from coriolis.workers.waiting import POLL_SECONDS, wait_for_login

CIPHERS = "aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr"
"""AES-GCM first: with AES instructions 2.5 CPU seconds a GiB, both ends; the default ChaCha20 takes 4.2."""

CIPHERS_WITHOUT_AES = (
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr"
)
"""Without AES instructions (qemu64) ChaCha20 is 2.6 times as fast: 31 against 12 MB/s under TCG."""

KEY_EXCHANGES = "-sntrup761*"
"""OpenSSH's own without NTRU Prime, which takes 0.2 of a login's 0.4 CPU seconds (OpenSSH 9.2), and we log in for each
command. What is left is X25519, as in TLS 1.3 on the workers' other route, and ML-KEM with it from OpenSSH 9.9 on."""

CONNECTION_LOST = 255  # ssh's own exit status, whatever the remote command would have answered
_ALIAS = "worker"  # what the host key is known under, so that it is bound to the worker and not to an address

RemoteCommand = str | Sequence[str]
"""Text for the remote shell, or words that are quoted for it."""


class SshSession(Closing):
    """What it takes to run commands on one worker; every command is a connection of its own.

    `name` stands for the worker in errors. Without a pinned host key the first connection's key is learnt and
    holds for the life of this object; `pinned()` gives the login with it. Secrets live in memory files only.
    """

    def __init__(self, login: SshLogin, name: str = "") -> None:
        self.login = login
        self.name = name or login.address
        known = "".join(f"{_ALIAS} {key}\n" for key in (login.host_key or "").splitlines() if key.strip())
        self._known_hosts = MemoryFile("known_hosts", known.encode())
        self._files = [self._known_hosts]
        self._environment: dict[str, str] = {}
        self._options = self._build_options(bool(known))

    def _build_options(self, pinned: bool) -> list[str]:
        settings = {
            "BatchMode": "yes" if self.login.password is None else "no",
            "Ciphers": self.login.ciphers or CIPHERS,
            "ClearAllForwardings": "yes",
            "Compression": "no",
            "ConnectTimeout": "20",
            "ControlMaster": "no",
            "ControlPath": "none",
            "EscapeChar": "none",
            "GlobalKnownHostsFile": "/dev/null",
            "HashKnownHosts": "no",
            "HostKeyAlias": _ALIAS,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "KexAlgorithms": KEY_EXCHANGES,
            "LogLevel": "ERROR",
            "RequestTTY": "no",
            "ServerAliveCountMax": "4",
            "ServerAliveInterval": "15",
            "StrictHostKeyChecking": "yes" if pinned else "accept-new",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": self._known_hosts.path,
            **self._authentication(),
        }
        return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def _authentication(self) -> dict[str, str]:
        if self.login.private_key is not None:
            key = self.login.private_key.reveal().strip() + "\n"
            return {"PreferredAuthentications": "publickey", "IdentityFile": self._keep("key", key)}
        if self.login.password is None:
            raise WorkerError(worker=self.name, reason="its login has neither a private key nor a password.")
        password = self._keep("password", self.login.password.reveal() + "\n")
        script = f"#!/bin/sh\nexec cat {shlex.quote(password)}\n"
        self._environment = {
            "SSH_ASKPASS": self._keep("askpass", script, mode=0o700),
            "SSH_ASKPASS_REQUIRE": "force",
        }
        return {
            "PreferredAuthentications": "keyboard-interactive,password",
            "PubkeyAuthentication": "no",
            "NumberOfPasswordPrompts": "1",
        }

    def _keep(self, name: str, content: str, mode: int = 0o600) -> str:
        file = MemoryFile(name, content.encode(), mode)
        self._files.append(file)
        return file.path

    @property
    def is_root(self) -> bool:
        return self.login.username == "root"

    @property
    def environment(self) -> Mapping[str, str]:
        """What `command()` needs besides its arguments: paths only, no secret."""
        return self._environment

    def command(self, command: RemoteCommand, *, sudo: bool = False) -> list[str]:
        """The local argument list that runs `command` on the worker; with `sudo` as root."""
        words = _text(command)
        if sudo and not self.is_root:
            words = f"sudo -n -- sh -c {shlex.quote(words)}"
        target = ["-p", str(self.login.port), "-l", self.login.username, "--", self.login.address, words]
        return ["ssh", "-F", "/dev/null", *self._options, *target]

    def run(
        self,
        command: RemoteCommand,
        stdin: bytes = b"",
        *,
        timeout: float = 600,
        check: bool = True,
        sudo: bool = False,
        redact: Sequence[Secret] = (),
    ) -> Completed:
        """Runs to the end. With `check` a failing command raises WorkerError with the end of its output.

        Raises WorkerUnreachable where the connection failed, and WorkerError on a time-out, in any case.
        """
        arguments = self.command(command, sudo=sudo)
        try:
            done = runner.run(
                arguments, stdin=stdin, timeout=timeout, env=self._environment, check=False, redact=redact
            )
        except CommandFailed as failure:
            reason = f"{shown(_text(command), redact)}: {failure.fields['output']}"
            raise WorkerError(worker=self.name, reason=reason) from failure
        if done.returncode == CONNECTION_LOST:
            raise connection_failure(self.name, tail(done.stderr, redact))
        if check:
            check_status(self.name, _text(command), done, redact)
        return done

    def popen(
        self, command: RemoteCommand, *, sudo: bool = False, new_session: bool = True
    ) -> "subprocess.Popen[bytes]":
        """Starts a command with pipes for all three streams; the caller reads them and waits."""
        arguments = self.command(command, sudo=sudo)
        return runner.spawn(arguments, env=self._environment, new_session=new_session)

    def pinned(self) -> SshLogin:
        """The login with the host key that was given or learnt."""
        lines = self._known_hosts.read().decode(errors="replace").splitlines()
        keys = [line.split(" ", 1)[1] for line in lines if line.startswith(_ALIAS + " ")]
        return replace(self.login, host_key="\n".join(keys) or None)

    def close(self) -> None:
        for file in self._files:
            file.close()


def connection_failure(name: str, said: str) -> WorkerError:
    """The error for what ssh said before it ended with CONNECTION_LOST."""
    if "Host key verification failed" in said:
        return WorkerIdentityChanged(worker=name)
    return WorkerUnreachable(worker=name, reason=said or "connection lost.")


def wait_for_ssh(
    login: SshLogin, name: str, timeout: float, check: Callable[[], None] = lambda: None
) -> SshLogin:
    """Waits until the login and passwordless sudo work; gives the login with the worker's host key pinned and
    the ciphers that suit it: use that one from then on.

    `check` is called several times a second and may raise. Raises WorkerUnreachable after `timeout` seconds
    with what the last attempt said.
    """

    def attempt(seconds: float) -> tuple[SshLogin | None, str]:
        # A session per attempt: first boots may replace the host key between two of them.
        with SshSession(login, name) as session:
            found, said = _attempt(session, seconds, check)
            return (None if found is None else replace(session.pinned(), ciphers=found)), said

    target = f"SSH to {login.username}@{login.address}:{login.port}"
    return wait_for_login(attempt, name=name, target=target, timeout=timeout, check=check)


def _attempt(session: SshSession, seconds: float, check: Callable[[], None]) -> tuple[str | None, str]:
    """The ciphers that suit the worker if it worked, and what went wrong otherwise."""
    process = session.popen("grep -qsw aes /proc/cpuinfo && echo aes || true", sudo=True)
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                stdout, stderr = process.communicate(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                check()
                if time.monotonic() > end:
                    return None, "the connection hangs."
                continue
            if process.returncode == 0:
                return CIPHERS if b"aes" in stdout else CIPHERS_WITHOUT_AES, ""
            return None, tail(stderr) or f"code {process.returncode}"
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _text(command: RemoteCommand) -> str:
    return command if isinstance(command, str) else shlex.join(command)
