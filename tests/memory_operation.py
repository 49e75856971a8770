"""An Operation with its ledger in memory, for tests of providers without engine and database."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from coriolis.config import Settings
from coriolis.errors import LeaseLost
from coriolis.model.enums import EventLevel, ResourceKind, ResourceState


@dataclass
class MemoryRow:
    ledger: "MemoryLedger"
    name: str
    state: ResourceState = ResourceState.PLANNED
    attempted: bool = False
    cloud_id: str | None = None
    reason: str = ""

    def created(self, cloud_id: str) -> None:
        self.cloud_id = cloud_id
        self.state = ResourceState.PRESENT
        self.ledger.after_created(self)


@dataclass
class MemoryLedger:
    """`crash_after`: the next create call of this kind succeeds, and then the process "dies" (Crash) before the
    id is written anywhere."""

    rows: dict[tuple[ResourceKind, str], MemoryRow] = field(default_factory=dict)
    history: list[tuple[str, ResourceKind, str]] = field(default_factory=list)
    crash_after: ResourceKind | None = None

    @contextmanager
    def creating(self, kind: ResourceKind, name: str) -> Iterator[MemoryRow]:
        row = self.find(kind, name)
        if row is None:
            row = self.rows[kind, name] = MemoryRow(self, name)
        else:
            row.attempted = True
        self.history.append(("creating", kind, name))
        yield row

    def after_created(self, row: MemoryRow) -> None:
        kind = next(key[0] for key, value in self.rows.items() if value is row)
        if kind == self.crash_after:
            self.crash_after = None
            row.cloud_id, row.state = None, ResourceState.PLANNED
            raise Crash(f"died after creating {kind} {row.name}")

    def find(self, kind: ResourceKind, name: str) -> MemoryRow | None:
        row = self.rows.get((kind, name))
        return None if row is None or row.state == ResourceState.REMOVED else row

    def removed(self, kind: ResourceKind, name: str) -> None:
        self.history.append(("removed", kind, name))
        if (kind, name) in self.rows:
            self.rows[kind, name].state = ResourceState.REMOVED

    def keep(self, kind: ResourceKind, name: str, reason: str) -> None:
        self.rows[kind, name].state = ResourceState.KEPT
        self.rows[kind, name].reason = reason

    def owed(self) -> list[tuple[ResourceKind, str]]:
        """What is neither removed nor kept."""
        done = {ResourceState.REMOVED, ResourceState.KEPT}
        return [key for key, row in self.rows.items() if row.state not in done]

    def kept(self) -> list[tuple[ResourceKind, str]]:
        return [key for key, row in self.rows.items() if row.state == ResourceState.KEPT]


class Crash(BaseException):
    """kill -9, as far as a provider can tell: nothing after the point runs, no `except Exception` sees it."""


@dataclass
class MemoryOperation:
    """`lease_checks`: the lease is lost after so many looks at it; None: never."""

    settings: Settings
    job: str = "0123abcd"
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    token: int = 1
    lines: list[str] = field(default_factory=list)
    events: list[tuple[EventLevel, str]] = field(default_factory=list)
    lease_checks: int | None = None
    moments: int = 0  # how often something was reached

    def name(self, *parts: str) -> str:
        return re.sub(r"[^A-Za-z0-9-]", "-", "-".join(("coriolis", self.job, *parts)))[:60]

    def check(self) -> None:
        pass

    def check_lease(self) -> None:
        if self.lease_checks == 0:
            raise LeaseLost("job j")
        if self.lease_checks is not None:
            self.lease_checks -= 1

    @contextmanager
    def disowned(self) -> Iterator[None]:
        before, self.lease_checks = self.lease_checks, None
        try:
            yield
        finally:
            self.lease_checks = before

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.1))

    def progress(self, message: str, done: int = 0, total: int = 0) -> None:
        self.lines.append(f"{message} {done}/{total}" if total else message)

    def event(self, level: EventLevel, message: str) -> None:
        self.events.append((level, message))

    def reached(self) -> None:
        self.moments += 1
