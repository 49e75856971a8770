"""What a worker was told and what it said, fit for an error: short, and without secrets."""

from collections.abc import Sequence

from coriolis.errors import WorkerError
from coriolis.model.secret import Secret
from coriolis.runner import Completed

_COMMAND_CHARACTERS = 200
_TAIL_CHARACTERS = 2000


def shown(command: str, redact: Sequence[Secret] = ()) -> str:
    text = _masked(command, redact)
    return text if len(text) <= _COMMAND_CHARACTERS else text[:_COMMAND_CHARACTERS] + "…"


def tail(output: bytes, redact: Sequence[Secret] = ()) -> str:
    return _masked(output.decode(errors="replace"), redact)[-_TAIL_CHARACTERS:].strip()


def check_status(worker: str, command: str, done: Completed, redact: Sequence[Secret] = ()) -> None:
    """Raises WorkerError with the end of the output of a command that failed."""
    if done.returncode:
        output = tail(done.stderr or done.stdout, redact)
        reason = f"{shown(command, redact)} failed with code {done.returncode}: {output}"
        raise WorkerError(worker=worker, reason=reason)


def _masked(text: str, redact: Sequence[Secret]) -> str:
    for secret in redact:
        text = text.replace(secret.reveal(), str(secret))
    return text
