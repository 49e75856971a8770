"""A client of the QEMU guest agent on the host's end of its virtio-serial channel."""

import base64
import json
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from coriolis_lab.hypervisor.api import GuestNic, GuestSystem, HypervisorError

_ASK_SECONDS = 5.0
_FREEZE_SECONDS = 120.0  # the guest writes out all that it holds first


class AgentSilentError(HypervisorError):
    """No agent answered in time: not installed, not started yet, or busy."""


@dataclass(frozen=True)
class ProgramStatus:
    """`code` is None while it runs and when a signal ended it."""

    ended: bool
    code: int | None
    output: str
    errors: str


class GuestAgent:
    """One session on the channel, which serves one client at a time. Use as a context manager.

    Entering waits up to `timeout` seconds for the agent to answer and raises AgentSilentError otherwise.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._buffer = b""

    def __enter__(self) -> "GuestAgent":
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(self._timeout)
            self._socket.connect(str(self._path))
            self._synchronise()
        except OSError as error:
            self._socket.close()
            raise AgentSilentError(f"the guest agent does not answer: {error}") from error
        except AgentSilentError:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def call(self, command: str, arguments: Mapping[str, Any] | None = None, timeout: float = 30.0) -> Any:
        request = {"execute": command, **({"arguments": dict(arguments)} if arguments else {})}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        reply = self._reply(time.monotonic() + timeout)
        if "error" in reply:
            raise HypervisorError(f"guest agent: {command}: {reply['error'].get('desc')}")
        return reply["return"]

    def start(self, command: Sequence[str], stdin: bytes = b"") -> int:
        """Starts a program in the guest, with its output kept; its pid."""
        arguments: dict[str, Any] = {"path": command[0], "arg": list(command[1:]), "capture-output": True}
        if stdin:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        return int(self.call("guest-exec", arguments)["pid"])

    def status(self, pid: int) -> ProgramStatus:
        answer = self.call("guest-exec-status", {"pid": pid})
        output, errors = (
            base64.b64decode(answer.get(key, "")).decode(errors="replace") for key in ("out-data", "err-data")
        )
        return ProgramStatus(answer["exited"], answer.get("exitcode"), output, errors)

    def wait(self, pid: int, timeout: float) -> ProgramStatus:
        deadline = time.monotonic() + timeout
        pause = 0.02
        while not (status := self.status(pid)).ended:
            if time.monotonic() > deadline:
                raise HypervisorError(f"process {pid} did not end in the guest within {timeout:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        return status

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> str:
        """Runs a program in the guest to its end; its output. HypervisorError when it fails."""
        status = self.wait(self.start(command, stdin), timeout)
        if status.code != 0:
            reason = status.errors or status.output
            raise HypervisorError(f"{command[0]} failed in the guest ({status.code}): {reason}")
        return status.output

    def write_file(self, path: str, content: bytes) -> None:
        handle = self.call("guest-file-open", {"path": path, "mode": "w"})
        try:
            self.call("guest-file-write", {"handle": handle, "buf-b64": base64.b64encode(content).decode()})
        finally:
            self.call("guest-file-close", {"handle": handle})

    def file_exists(self, path: str) -> bool:
        try:
            handle = self.call("guest-file-open", {"path": path, "mode": "r"})
        except HypervisorError:
            return False
        self.call("guest-file-close", {"handle": handle})
        return True

    def interfaces(self) -> Sequence[GuestNic]:
        answer = self.call("guest-network-get-interfaces")
        return [
            GuestNic(
                name=nic["name"],
                mac=nic.get("hardware-address", ""),
                addresses=[address["ip-address"] for address in nic.get("ip-addresses", [])],
            )
            for nic in answer
        ]

    def system(self) -> GuestSystem:
        """Agents of different ages know different commands: what one lacks stays empty. AgentSilentError while the
        file systems are frozen.
        """
        if self._ask("guest-fsfreeze-status") == "frozen":
            raise AgentSilentError("the guest's file systems are frozen")
        system, zone = self._ask("guest-get-osinfo") or {}, self._ask("guest-get-timezone") or {}
        name, info = self._ask("guest-get-host-name") or {}, self._ask("guest-info") or {}
        return GuestSystem(
            host_name=name.get("host-name", ""),
            system=system.get("name", ""),
            system_id=system.get("id", ""),
            version=system.get("version-id", ""),
            kernel=system.get("kernel-release", ""),
            machine=system.get("machine", ""),
            time_zone=zone.get("zone", ""),
            utc_offset=zone.get("offset", 0),
            agent_version=info.get("version", ""),
            disks={
                disk["address"]["serial"]: disk["name"]
                for disk in self._ask("guest-get-disks") or ()
                if not disk["partition"] and disk.get("address", {}).get("serial")
            },
        )

    def _ask(self, command: str) -> Any:
        """None where the agent does not know the command, or is not allowed to obey it."""
        try:
            return self.call(command, timeout=_ASK_SECONDS)
        except AgentSilentError:
            raise
        except HypervisorError:
            return None

    def freeze_file_systems(self) -> int:
        """How many: until they are thawed, whatever writes to them waits, and the agent refuses most other commands."""
        return int(self.call("guest-fsfreeze-freeze", timeout=_FREEZE_SECONDS))

    def thaw_file_systems(self) -> int:
        """How many; none were frozen: 0."""
        return int(self.call("guest-fsfreeze-thaw", timeout=_FREEZE_SECONDS))

    def _synchronise(self) -> None:
        """0xff makes the agent drop half a command of an earlier client, for which it may answer an error
        first.
        """
        number = secrets.randbelow(2**31)
        request = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
        self._socket.sendall(b"\xff" + json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + self._timeout
        while self._reply(deadline).get("return") != number:
            pass

    def _reply(self, deadline: float) -> dict[str, Any]:
        while True:
            line = self._line(deadline).split(b"\xff")[-1].strip()
            if line:
                reply: dict[str, Any] = json.loads(line)
                return reply

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AgentSilentError("the guest agent does not answer")
            self._socket.settimeout(left)
            try:
                received = self._socket.recv(65536)
            except TimeoutError as error:
                raise AgentSilentError("the guest agent does not answer") from error
            if not received:
                raise AgentSilentError("the guest agent's channel was closed")
            self._buffer += received
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line
