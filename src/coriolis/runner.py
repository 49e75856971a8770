"""The one runner of external commands.

Arguments are lists, never shell strings; a command never inherits a terminal; what it prints is bounded; secrets are
given through `input` or the environment, never as arguments, and `redact` texts are masked in errors and logs.
"""

import logging
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coriolis.errors import CommandFailed
from coriolis.model.secret import MASK, Secret

LOG = logging.getLogger(__name__)
_TAIL_BYTES = (
    2000  # of the output in an error: enough for a compiler-like message, short enough for a log line
)


@dataclass(frozen=True, slots=True)
class Completed:
    returncode: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")


def run(
    args: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    timeout: float = 600,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
    redact: Sequence[Secret] = (),
) -> Completed:
    """Runs to the end. `env` is added to this process' environment. Raises CommandFailed (also on time-out, and
    when the program does not exist) unless `check` is false."""
    command = [os.fspath(a) for a in args]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
        )
        result = Completed(done.returncode, done.stdout, done.stderr, time.monotonic() - began)
    except subprocess.TimeoutExpired as expired:
        said = (expired.stderr or expired.stdout or b"")[-_TAIL_BYTES:].decode(errors="replace")
        reason = f"no end after {timeout:g} s. {said}"
        raise _failure(command, -1, reason, redact) from None
    except OSError as error:
        raise _failure(command, 127, str(error), redact) from error
    LOG.debug("ran %s in %.2f s: %d", _shown(command, redact), result.seconds, result.returncode)
    if check and result.returncode:
        output = (result.stderr or result.stdout)[-_TAIL_BYTES:].decode(errors="replace").strip()
        raise _failure(command, result.returncode, output, redact)
    return result


def spawn(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.PIPE,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    new_session: bool = True,
) -> "subprocess.Popen[bytes]":
    """Starts a long-running command; the caller waits for it. In its own session: its group can be killed."""
    command = [os.fspath(a) for a in args]
    LOG.debug("starting %s", " ".join(command[:6]))
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(env or {})},
        pass_fds=tuple(pass_fds),
        start_new_session=new_session,
        bufsize=0,
    )


def _shown(command: Sequence[str], redact: Sequence[Secret]) -> str:
    text = " ".join(command)
    for secret in redact:
        text = text.replace(secret.reveal(), MASK)
    return text if len(text) <= 200 else text[:200] + "…"


def _failure(command: Sequence[str], code: int, output: str, redact: Sequence[Secret]) -> CommandFailed:
    for secret in redact:
        output = output.replace(secret.reveal(), MASK)
    return CommandFailed(command=_shown(command, redact), returncode=code, output=output)
