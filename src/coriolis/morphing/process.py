"""Runs OSMorphing on a worker VM and follows it."""

import contextlib
import json
import logging
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from coriolis.errors import MorphingError, NotSupported
from coriolis.model.enums import OsType
from coriolis.model.replica import DetectedOs
from coriolis.morphing.guest.channel import PHASES
from coriolis.morphing.job import MorphJob
from coriolis.morphing.program import offered_packages, program_bytes
from coriolis.workers.remote_python import shell_command
from coriolis.workers.ssh import CONNECTION_LOST, SshSession, connection_failure

LOG = logging.getLogger(__name__)

_POLL_SECONDS = 0.25  # how often a wish to cancel is looked for
_UNMOUNT_SECONDS = 60.0  # that the remote side gets to unmount after it was told to stop
_GRACE_SECONDS = 60.0  # beyond the job's timeout, which the remote side watches by itself
_CHUNK = 1 << 20
_FIRST_PHASE = next(iter(PHASES))  # nothing has been touched yet
_STDERR_LINES = 40


def run_morph_job(job: MorphJob, *, report: Callable[[str], None], check: Callable[[], None]) -> DetectedOs:
    """Adapts the guest on `job.disks` to the destination cloud. Blocks until everything is unmounted again.

    `report` is called with sentences for a person, `check` several times a second: what it raises ends the
    remote side (which unmounts what it mounted) and passes on. Raises MorphingError where the guest cannot be
    morphed or the connection broke in the middle, WorkerError where the worker VM could not begin: that may
    be tried again. Running it again on a guest that is morphed changes nothing.
    """
    if job.os_type == OsType.WINDOWS:
        raise NotSupported(message="OSMorphing of Windows guests is not supported yet.")
    with SshSession(job.login) as session:
        process = session.popen(shell_command(sudo=not session.is_root))
        with _Conversation(process) as conversation:
            conversation.send([program_bytes(job)])
            result = _follow(job, conversation, report, check)
        if result is None:
            raise _explain(session, process.returncode, conversation)
    return DetectedOs(result["os_type"], result["distribution"], result["version"], result["friendly_name"])


def _follow(
    job: MorphJob, conversation: "_Conversation", report: Callable[[str], None], check: Callable[[], None]
) -> dict[str, Any] | None:
    """The result event; None if the remote side ended without one."""
    deadline = time.monotonic() + job.timeout + _GRACE_SECONDS
    result: dict[str, Any] | None = None
    for event in conversation.events():
        check()
        if time.monotonic() > deadline:
            raise MorphingError(
                phase=PHASES[conversation.phase], reason=f"no end after {job.timeout:g} seconds."
            )
        if event is None:
            continue
        LOG.debug("morphing: %s", event)
        match event["event"]:
            case "phase":
                conversation.phase = event["phase"]
                report(f"{event['title'].capitalize()}.")
            case "step":
                report(f"{event['message']}.")
            case "warning":
                report(f"Warning: {event['message']}")
            case "changed":
                report(f"{event['path']}: {event['how']}.")
            case "need_packages":
                conversation.send(_package_files(job, event["set"], event["files"]))
            case "failure":
                raise MorphingError(phase=PHASES[event["phase"]], reason=_sentence(event["reason"]))
            case "result":
                result = event
    return result


def _sentence(text: str) -> str:
    """The guest's programs end their messages as they like."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


def _package_files(job: MorphJob, package_set: str, names: Iterable[str]) -> Iterator[bytes]:
    """Only what was offered: the worker VM has no say in which of the conductor's files it gets."""
    files = offered_packages(job.offline_packages_dir).get(package_set, {})
    for path in (files[name] for name in names if name in files):
        yield json.dumps({"file": path.name, "size": path.stat().st_size}).encode() + b"\n"
        with path.open("rb") as source:
            while data := source.read(_CHUNK):
                yield data
    yield json.dumps({"end": True}).encode() + b"\n"


def _explain(session: SshSession, returncode: int, conversation: "_Conversation") -> Exception:
    said = conversation.stderr_tail()
    if returncode == CONNECTION_LOST and conversation.phase == _FIRST_PHASE:
        return connection_failure(session.name, said)
    reason = said or f"the program on the worker VM ended with code {returncode}."
    if returncode == CONNECTION_LOST:
        reason = f"the connection to the worker VM was lost: {said or 'it did not say why.'}"
    return MorphingError(phase=PHASES[conversation.phase], reason=_sentence(reason))


class _Conversation:
    """The three pipes of the remote program, each with its thread, so that no full pipe blocks another."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.phase = _FIRST_PHASE
        self._process = process
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._outgoing: queue.Queue[Iterable[bytes] | None] = queue.Queue()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        targets = (self._write, self._read_events, self._read_stderr)
        self._threads = [threading.Thread(target=target, daemon=True) for target in targets]

    def __enter__(self) -> "_Conversation":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """The end of its input tells the remote side to unmount and leave; a connection that hangs is cut."""
        self._outgoing.put(None)
        try:
            self._process.wait(_UNMOUNT_SECONDS)
        except subprocess.TimeoutExpired:
            LOG.warning("the morphing program did not leave in %g s", _UNMOUNT_SECONDS)
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(_UNMOUNT_SECONDS)

    def send(self, pieces: Iterable[bytes]) -> None:
        """In the background; a broken connection shows in the events."""
        self._outgoing.put(pieces)

    def events(self) -> Iterator[dict[str, Any] | None]:
        """Each event as it comes, and None several times a second; ends when the remote side closed its
        output."""
        while True:
            try:
                event = self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                yield None
                continue
            if event is None:
                return
            yield event

    def stderr_tail(self) -> str:
        return "\n".join(self._stderr).strip()

    def _write(self) -> None:
        with contextlib.suppress(BrokenPipeError), _pipe(self._process.stdin) as pipe:
            while (pieces := self._outgoing.get()) is not None:
                for piece in pieces:
                    _write_all(pipe, piece)

    def _read_events(self) -> None:
        try:
            for line in _pipe(self._process.stdout):
                try:
                    event = json.loads(line)
                except ValueError:
                    self._stderr.append(line.decode(errors="replace").rstrip())
                    continue
                self._events.put(event)
        finally:
            self._events.put(None)

    def _read_stderr(self) -> None:
        for line in _pipe(self._process.stderr):
            self._stderr.append(line.decode(errors="replace").rstrip())


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the program was started without pipes")
    return stream


def _write_all(pipe: IO[bytes], data: bytes) -> None:
    """The runner's pipes are unbuffered: one write may take a part only."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]
