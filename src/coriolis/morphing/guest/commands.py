"""The one place where the guest-side program starts other programs."""

import contextlib
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TAIL_CHARACTERS = 600  # of the output in an error: what a person reads of it
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Completed(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")

    @property
    def tail(self) -> str:
        """The last lines of what it complained about (or printed, if it did not complain)."""
        output = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return output[-_TAIL_CHARACTERS:]


class CommandFailure(MorphFailure):
    def __init__(self, command: str, returncode: int, output: str) -> None:
        super().__init__(f"{command} failed with code {returncode}: {output}")
        self.returncode = returncode


def find_tool(name: str) -> "str | None":
    """The path of a program of the worker; sbin directories count even where sudo's PATH leaves them out."""
    return shutil.which(name, path=_SYSTEM_PATH)


def run(
    args: "Sequence[str]",
    *,
    stdin: bytes = b"",
    timeout: float = 300,
    check: bool = True,
    env: "Mapping[str, str] | None" = None,
) -> Completed:
    """Runs to the end, in a session of its own that is killed as a whole on a time-out and on an
    interruption.

    `env` replaces the environment. Raises CommandFailure (also when the program does not exist: code 127, and
    on a time-out: code -1) unless `check` is false.
    """
    name = os.path.basename(args[0])
    try:
        process = subprocess.Popen(
            list(args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=dict(env) if env is not None else {"PATH": _SYSTEM_PATH, "LC_ALL": "C"},
        )
    except OSError as error:
        if check:
            raise CommandFailure(name, 127, str(error)) from error
        return Completed(127, b"", str(error).encode())
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        _kill_session(process)
        stdout, stderr = process.communicate()
        if check:
            raise CommandFailure(name, -1, f"no end after {timeout:g} s") from None
        return Completed(-1, stdout, stderr + b"\nno end in time")
    finally:
        if process.poll() is None:
            _kill_session(process)
            process.wait()
    done = Completed(process.returncode, stdout, stderr)
    if check and done.returncode:
        raise CommandFailure(" ".join(args)[:120], done.returncode, done.tail)
    return done


def _kill_session(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended between the look and the kill
        os.killpg(process.pid, signal.SIGKILL)
