"""A cloud of files, in no process' memory: it outlives whoever uses it, and it watches.

    objects/<kind>/<id>.json   {"name", and for a server "disks": {disk id: volume id}}
    volumes/<id>               the bytes of a volume or a snapshot
    links/<server>/<disk id>   what the server's guest sees of its disks
    gates/<verb>.<moment>      while it exists, calls of the verb hang there; `before` or `after` the effect
    reached/<verb>.<moment>    somebody hangs there: its process id
    rules/<verb>               `busy N`, `lost N`, `slow SECONDS` or `fail`, see `_misbehave`
    journal                    one JSON object a line for the begin and the end of each call
    violations                 one line for each thing that must never happen

Each call is atomic: one lock for the whole cloud, and a change is one rename.
"""

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from coriolis.engine.context import StepContext
from coriolis.errors import CloudError, CloudUnavailable, Conflict, NotFound
from coriolis.model.enums import ResourceKind
from coriolis.store.repository import new_id
from coriolis.store.tables import JOB

_GATE_SECONDS = 0.02
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, slots=True)
class Call:
    """A line of the journal. `job`, `step`, `token` are None for calls that only look."""

    moment: str
    verb: str
    subject: str
    job: str | None
    step: str | None
    token: int | None
    pid: int
    at: float


class FileCloud:
    """Raises errors of `coriolis.errors` only, like a provider's client."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def create(self) -> "FileCloud":
        for name in ("objects", "volumes", "links", "gates", "reached", "rules"):
            (self.directory / name).mkdir(parents=True)
        (self.directory / "journal").touch()
        (self.directory / "violations").touch()
        return self

    # What a test arranges and looks at

    def gate(self, verb: str, moment: str) -> None:
        """From now on calls of the verb hang there until `open_gate`."""
        (self.directory / "reached" / f"{verb}.{moment}").unlink(missing_ok=True)
        (self.directory / "gates" / f"{verb}.{moment}").touch()

    def open_gate(self, verb: str, moment: str) -> None:
        (self.directory / "gates" / f"{verb}.{moment}").unlink(missing_ok=True)

    def open_all_gates(self) -> None:
        for gate in (self.directory / "gates").iterdir():
            gate.unlink()

    def waiting_at(self, verb: str, moment: str) -> int | None:
        """The process that hangs there."""
        try:
            return int((self.directory / "reached" / f"{verb}.{moment}").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def rule(self, verb: str, text: str | None) -> None:
        """None: it behaves again."""
        path = self.directory / "rules" / verb
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)

    def journal(self) -> list[Call]:
        lines = (self.directory / "journal").read_text().splitlines()
        return [Call(**json.loads(line)) for line in lines]

    def violations(self) -> list[str]:
        return (self.directory / "violations").read_text().splitlines()

    def names(self, kind: ResourceKind | None = None) -> list[tuple[ResourceKind, str]]:
        """Everything there is, by kind and name."""
        found = []
        for place in sorted((self.directory / "objects").glob("*/*.json")):
            if kind in (None, place.parent.name):
                found.append((ResourceKind(place.parent.name), str(json.loads(place.read_text())["name"])))
        return found

    def volume(self, volume_id: str) -> Path:
        return self.directory / "volumes" / volume_id

    # What a provider calls

    @contextmanager
    def call(self, verb: str, subject: str, op: StepContext | None = None) -> Iterator[None]:
        """The body is the effect. Around it: the journal, the gates and the faults."""
        if op is not None:
            self._check_lease(verb, subject, op)
        self._note("begin", verb, subject, op)
        self._hang(verb, BEFORE)
        lost = self._misbehave(verb)
        with self._locked():
            yield
        self._note("end", verb, subject, op)
        self._hang(verb, AFTER)
        if lost:
            raise CloudUnavailable(cloud="files", action=verb, reason="the answer was lost")

    def look(self, verb: str, subject: str) -> None:
        """A call without an effect."""
        with self.call(verb, subject):
            pass

    def find(self, kind: ResourceKind, name: str) -> list[str]:
        """Ids."""
        found = []
        for place in (self.directory / "objects" / kind).glob("*.json"):
            with suppress(FileNotFoundError):
                if json.loads(place.read_text())["name"] == name:
                    found.append(place.stem)
        return found

    def exists(self, kind: ResourceKind, object_id: str) -> bool:
        return self._object(kind, object_id).exists()

    def make(
        self,
        op: StepContext,
        kind: ResourceKind,
        name: str,
        *,
        role: str = "",
        content: Path | int | None = None,
    ) -> str:
        """`content`: what a volume holds, as a file to copy or a number of zero bytes. Returns the id."""
        object_id = new_id()
        with self.call("-".join(filter(None, ("create", kind, role))), name, op):
            if isinstance(content, int):
                with self.volume(object_id).open("wb") as file:
                    file.truncate(content)
            elif content is not None:
                shutil.copyfile(content, self.volume(object_id))
            self._write(kind, object_id, {"name": name})
        return object_id

    def remove(self, op: StepContext | None, kind: ResourceKind, object_id: str, *, role: str = "") -> None:
        """Raises NotFound, or Conflict while a server has the volume."""
        with self.call("-".join(filter(None, ("delete", kind, role))), object_id, op):
            if not self.exists(kind, object_id):
                raise NotFound(kind=kind, name=object_id)
            holder = self._holder(object_id)
            if holder is not None:
                raise Conflict(message=f"volume {object_id} is attached to {holder}")
            if kind is ResourceKind.SERVER:
                self._power_off(object_id)
            self._object(kind, object_id).unlink()
            self.volume(object_id).unlink(missing_ok=True)

    def attach(self, op: StepContext, server_id: str, disk_id: str, volume_id: str, *, role: str) -> None:
        """Raises Conflict where the volume is attached elsewhere, which nobody may even try."""
        with self.call(f"attach-{role}", volume_id, op):
            described = self._read(ResourceKind.SERVER, server_id)
            holder = self._holder(volume_id)
            if holder == server_id:
                return
            if holder is not None:
                self._violation(f"volume {volume_id} attached to {server_id} while {holder} has it")
                raise Conflict(message=f"volume {volume_id} is attached to {holder}")
            link = self.link(server_id, disk_id)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(self.volume(volume_id))
            disks = {**described.get("disks", {}), disk_id: volume_id}
            self._write(ResourceKind.SERVER, server_id, {**described, "disks": disks})

    def link(self, server_id: str, disk_id: str) -> Path:
        """The disk as the server's guest sees it; gone when the server is."""
        return self.directory / "links" / server_id / disk_id

    def writers(self, volume_id: str) -> list[int]:
        """Processes that have the volume open for writing."""
        path = str(self.volume(volume_id).resolve())
        return sorted({pid for pid, opened, writes in _open_files() if opened == path and writes})

    def _power_off(self, server_id: str) -> None:
        """What ran in the guest is gone with it."""
        volumes = self._read(ResourceKind.SERVER, server_id).get("disks", {}).values()
        paths = {str(self.volume(volume).resolve()) for volume in volumes}
        for pid, opened, _ in _open_files():
            if opened in paths and pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory / "links" / server_id, ignore_errors=True)

    def _holder(self, volume_id: str) -> str | None:
        for place in (self.directory / "objects" / ResourceKind.SERVER).glob("*.json"):
            if volume_id in json.loads(place.read_text()).get("disks", {}).values():
                return place.stem
        return None

    def _object(self, kind: ResourceKind, object_id: str) -> Path:
        return self.directory / "objects" / kind / f"{object_id}.json"

    def _read(self, kind: ResourceKind, object_id: str) -> dict[str, Any]:
        try:
            described: dict[str, Any] = json.loads(self._object(kind, object_id).read_text())
        except FileNotFoundError:
            raise NotFound(kind=kind, name=object_id) from None
        return described

    def _write(self, kind: ResourceKind, object_id: str, described: dict[str, Any]) -> None:
        place = self._object(kind, object_id)
        place.parent.mkdir(exist_ok=True)
        draft = place.with_suffix(".new")
        draft.write_text(json.dumps(described))
        draft.rename(place)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _hang(self, verb: str, moment: str) -> None:
        """Deaf, as one is in an HTTP request."""
        gate = self.directory / "gates" / f"{verb}.{moment}"
        while gate.exists():
            (self.directory / "reached" / gate.name).write_text(str(os.getpid()))
            time.sleep(_GATE_SECONDS)

    def _misbehave(self, verb: str) -> bool:
        """`busy N`: the next N calls are refused for now. `lost N`: they work, and the answer is lost. True for
        such a one."""
        path = self.directory / "rules" / verb
        try:
            kind, _, figure = path.read_text().partition(" ")
        except FileNotFoundError:
            return False
        if kind in ("busy", "lost"):
            self.rule(verb, f"{kind} {int(figure) - 1}" if int(figure) > 1 else None)
        if kind == "busy":
            raise CloudUnavailable(cloud="files", action=verb, reason="busy")
        if kind == "fail":
            raise CloudError(cloud="files", action=verb, reason="the rule says so")
        if kind == "slow":
            time.sleep(float(figure))
        return kind == "lost"

    def _check_lease(self, verb: str, subject: str, op: StepContext) -> None:
        """As every client of a real platform does right before a request (providers.retry). The cloud knows what
        no cloud knows: whether somebody else has claimed the job by then. It looks first, since between the
        caller's look and the request no time must pass: a process can be paused there as well."""
        held = op.token
        with suppress(sa.exc.SQLAlchemyError), op.database.read() as connection:
            held = connection.scalar(sa.select(JOB.c.token).where(JOB.c.id == op.fence.job_id)) or 0
        op.check_lease()
        if held != op.token:
            self._violation(f"{verb} {subject} in step {op.step} with token {op.token}; {held} holds")

    def _note(self, moment: str, verb: str, subject: str, op: StepContext | None) -> None:
        line = {
            "moment": moment,
            "verb": verb,
            "subject": subject,
            "job": op.fence.job_id if op else None,
            "step": op.step if op else None,
            "token": op.token if op else None,
            "pid": os.getpid(),
            "at": time.time(),
        }
        self._append("journal", json.dumps(line))

    def _violation(self, text: str) -> None:
        self._append("violations", f"{text} (process {os.getpid()})")

    def _append(self, name: str, line: str) -> None:
        """One write of less than a page to a file opened for appending: lines of many processes do not mix."""
        descriptor = os.open(self.directory / name, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)


def _open_files() -> Iterator[tuple[int, str, bool]]:
    """(process, path, whether for writing) of every open regular file of every process but this one."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            for link in (entry / "fd").iterdir():
                path = str(link.readlink())
                if path.startswith("/"):
                    flags = (entry / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0]
                    yield int(entry.name), path, int(flags, 8) & os.O_ACCMODE != os.O_RDONLY
