"""A cloud made of files: a directory whose files are resources, slow and failing on demand.

`<kind>-<name>` is a resource; `rules/<verb>` makes a verb misbehave: its text is `fail`, `busy N` (the next N
calls get a passing fault), `later SECONDS` (a passing fault that asks for so long a wait), `slow SECONDS` or `bug`;
`log` holds one line per verb that began, with the process id.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.errors import CloudError, CloudUnavailable
from coriolis.model.enums import ResourceKind, TaskType
from coriolis.model.secret import Secret


class PaperCloud:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "rules").mkdir(parents=True, exist_ok=True)

    def rule(self, verb: str, text: str) -> None:
        (self.directory / "rules" / verb).write_text(text)

    def forgive(self, verb: str) -> None:
        (self.directory / "rules" / verb).unlink(missing_ok=True)

    def resources(self) -> list[str]:
        return sorted(p.name for p in self.directory.iterdir() if p.is_file() and p.name != "log")

    def log(self) -> list[str]:
        path = self.directory / "log"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def begin(self, verb: str, sleep: Callable[[float], None] = time.sleep) -> None:
        with (self.directory / "log").open("a") as log:
            log.write(f"{verb} {os.getpid()}\n")
        path = self.directory / "rules" / verb
        if not path.exists():
            return
        kind, _, figure = path.read_text().partition(" ")
        if kind == "fail":
            raise CloudError(cloud="paper", action=verb, reason="the rule says so")
        if kind == "busy":
            left = int(figure) - 1
            path.write_text(f"busy {left}") if left > 0 else path.unlink()
            raise CloudUnavailable(cloud="paper", action=verb, reason="busy")
        if kind == "later":
            asked = {"reason": "busy", "retry_after": float(figure)}
            raise CloudUnavailable(cloud="paper", action=verb, **asked)
        if kind == "slow":
            sleep(float(figure))
        if kind == "bug":
            raise KeyError(figure)

    def create(self, op: StepContext, kind: ResourceKind, name: str) -> str:
        with op.ledger.creating(kind, name) as row:
            path = self.directory / f"{kind}-{name}"
            if not (row.attempted and path.exists()):
                path.touch(exist_ok=False)  # a second create of the same name is the fault we look for
            row.created(path.name)
        return path.name

    def delete(self, op: StepContext, kind: ResourceKind, name: str) -> None:
        if op.ledger.find(kind, name) is None:
            return
        (self.directory / f"{kind}-{name}").unlink(missing_ok=True)
        op.ledger.removed(kind, name)


@dataclass(frozen=True)
class Make(Step):
    """Creates a resource named after `what`; undoing it deletes it."""

    key = "make"
    task_type = TaskType.DEPLOY_TRANSFER_SOURCE_RESOURCES

    directory: Path
    endpoint_id: str
    what: str

    def execute(self, op: StepContext) -> str:
        cloud, bound = PaperCloud(self.directory), op.on(self.endpoint_id)
        cloud.begin(f"make-{self.what}", op.sleep)
        made = cloud.create(bound, ResourceKind.SERVER, op.name(self.what))
        cloud.begin(f"made-{self.what}", op.sleep)
        return made

    def revert(self, op: StepContext) -> None:
        cloud, bound = PaperCloud(self.directory), op.on(self.endpoint_id)
        cloud.begin(f"unmake-{self.what}", op.sleep)
        cloud.delete(bound, ResourceKind.SERVER, op.name(self.what))


@dataclass(frozen=True)
class Remove(Step):
    key = "remove"
    task_type = TaskType.DELETE_TRANSFER_SOURCE_RESOURCES

    directory: Path
    endpoint_id: str
    what: str

    def execute(self, op: StepContext) -> None:
        cloud, bound = PaperCloud(self.directory), op.on(self.endpoint_id)
        cloud.begin(f"remove-{self.what}", op.sleep)
        cloud.delete(bound, ResourceKind.SERVER, op.name(self.what))


@dataclass(frozen=True)
class Copy(Step):
    """Three parts, of which it remembers those done."""

    key = "copy"
    task_type = TaskType.REPLICATE_DISKS
    stall_after = 0.3

    directory: Path

    def execute(self, op: StepContext) -> int:
        cloud = PaperCloud(self.directory)
        for part in range((op.last_checkpoint or {"done": 0})["done"], 3):
            cloud.begin(f"copy-{part}", op.sleep)
            op.progress("copied", part + 1, 3)
            op.checkpoint({"done": part + 1})
        return 3


@dataclass(frozen=True)
class Adopt(Step):
    """Finds out whether its work was done already, which is cheaper than doing it again."""

    key = "adopt"
    task_type = TaskType.FINALIZE_INSTANCE_DEPLOYMENT

    directory: Path

    def execute(self, op: StepContext) -> str:
        cloud = PaperCloud(self.directory)
        cloud.begin("work")
        (self.directory / "done").touch()
        cloud.begin("worked", op.sleep)
        return "worked"

    def probe(self, op: StepContext) -> str | None:
        PaperCloud(self.directory).begin("probe")
        return "found" if (self.directory / "done").exists() else None


@dataclass(frozen=True)
class Login:
    user: str
    password: Secret


@dataclass(frozen=True)
class MakeLogin(Step):
    key = "make_login"
    task_type = TaskType.GET_INSTANCE_INFO
    provides = "login"

    user: str

    def execute(self, op: StepContext) -> Login:
        return Login(self.user, Secret("tiptop-geheim-result"))


@dataclass(frozen=True)
class UseLogin(Step):
    key = "use_login"
    task_type = TaskType.VALIDATE_TRANSFER_SOURCE_INPUTS
    provides = "length"

    def execute(self, op: StepContext, login: Login) -> int:
        op.checkpoint({"password": login.password.reveal()})
        return len(login.password.reveal())


STEPS: tuple[type[Step], ...] = (Make, Remove, Copy, Adopt, MakeLogin, UseLogin)
