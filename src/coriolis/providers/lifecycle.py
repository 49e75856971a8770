"""Creating, awaiting and removing cloud resources so that a crash at any instant loses none of them."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from coriolis.errors import (
    CloudError,
    CloudTimeout,
    CloudUnavailable,
    Conflict,
    CoriolisError,
    LeaseLost,
    NotFound,
)
from coriolis.model.enums import ResourceKind
from coriolis.providers.base import Operation

LOG = logging.getLogger(__name__)
Seen = TypeVar("Seen")

CREATE_ATTEMPTS = 3
ASK_AGAIN_AFTER = 15.0  # seconds: a deletion may be given up without a word (Cinder on Ceph: busy snapshot)
STRAY_SECONDS = 120.0  # for the new owner to record what it made, and for a new disk to be unlocked
LOOK_AGAIN_AFTER = 2.0  # seconds for a create call whose answer was lost to become visible in a listing


@dataclass(frozen=True, slots=True)
class Patience:
    """Of waiting: seconds in all, seconds between two looks."""

    timeout: float
    interval: float


def wait_until(
    op: Operation, look: Callable[[], Seen | None], patience: Patience, *, cloud: str, action: str
) -> Seen:
    """Calls `look` until it gives something but None; `look` raises where the goal is out of reach for good.

    A fault that passes by itself counts as not yet. Raises CloudTimeout.
    """
    deadline = time.monotonic() + patience.timeout
    passing: CloudUnavailable | None = None
    while True:
        op.check()
        try:
            found = look()
        except CloudUnavailable as error:
            passing, found = error, None
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            fault = f"; last fault: {passing.message}" if passing else ""
            reason = f"not done after {patience.timeout:g} s{fault}"
            raise CloudTimeout(cloud=cloud, action=action, reason=reason) from passing
        op.sleep(patience.interval)


def create_resource(
    op: Operation,
    kind: ResourceKind,
    name: str,
    *,
    find: Callable[[], str | None],
    create: Callable[[], str],
    discard: Callable[[str], object],
) -> str:
    """Creates one resource, or adopts what an earlier attempt or a lost answer left. Returns its id.

    `find` looks by name; `discard` asks for the deletion of an id. The ledger row is committed before the first
    call.
    """
    with op.ledger.creating(kind, name) as row:
        existing = find() if row.attempted else None
        cloud_id = existing or _create(op, find, create)
        try:
            row.created(cloud_id)
        except LeaseLost:
            if existing is None:
                with op.disowned():
                    _discard_stray(op, kind, name, cloud_id, discard)
            raise
    return cloud_id


def _discard_stray(
    op: Operation, kind: ResourceKind, name: str, cloud_id: str, discard: Callable[[str], object]
) -> None:
    """A process that was paused between its look at the claim and its call makes a second one beside that of
    the job's new owner, who cannot know of it. It goes, unless the ledger says that the owner took it over."""
    deadline = time.monotonic() + STRAY_SECONDS
    reason = "its owner has not said which one it uses"
    while time.monotonic() < deadline:
        row = op.ledger.find(kind, name)
        if row is not None and row.cloud_id == cloud_id:
            return
        if row is None or row.cloud_id is not None:
            try:
                discard(cloud_id)
            except NotFound:
                return
            except CoriolisError as error:  # locked while it is made
                reason = str(error)
            else:
                LOG.warning("%s %s was made twice: deleted %s", kind, name, cloud_id)
                return
        op.sleep(LOOK_AGAIN_AFTER)
    LOG.error("%s %s may exist twice, %s was not deleted: %s", kind, name, cloud_id, reason)


def _create(op: Operation, find: Callable[[], str | None], create: Callable[[], str]) -> str:
    for _ in range(CREATE_ATTEMPTS - 1):
        op.check()
        try:
            return create()
        except CloudUnavailable:  # the answer may have been lost on its way, and the resource be there
            op.sleep(LOOK_AGAIN_AFTER)
            existing = find()
            if existing:
                return existing
    op.check()
    return create()


def remove_resource(
    op: Operation,
    kind: ResourceKind,
    name: str,
    *,
    find: Callable[[], Iterable[str]],
    delete: Callable[[str], None],
    exists: Callable[[str], bool],
    patience: Patience,
    cloud: str,
) -> None:
    """Deletes what the ledger says may exist as `name`; the row goes once the cloud shows nothing of it.

    Safe to call again, and without a row it does nothing. A refusal because of the object's state (in use,
    locked) is tried again until the time is over; then CloudTimeout tells the last refusal.
    """
    row = op.ledger.find(kind, name)
    if row is None:
        return
    for cloud_id in dict.fromkeys([*([row.cloud_id] if row.cloud_id else []), *find()]):
        delete_and_wait(
            op, cloud_id, delete=delete, exists=exists, patience=patience, cloud=cloud, what=f"{kind} {name}"
        )
    op.ledger.removed(kind, name)


def delete_and_wait(
    op: Operation,
    cloud_id: str,
    *,
    delete: Callable[[str], None],
    exists: Callable[[str], bool],
    patience: Patience,
    cloud: str,
    what: str,
) -> None:
    asked_at = 0.0
    refusal: Conflict | None = None

    def gone() -> bool | None:
        nonlocal asked_at, refusal
        if not exists(cloud_id):
            return True
        if not asked_at or time.monotonic() - asked_at > ASK_AGAIN_AFTER:
            try:
                delete(cloud_id)
                asked_at, refusal = time.monotonic(), None
            except NotFound:
                return True
            except Conflict as error:
                refusal = error
        return None

    try:
        wait_until(op, gone, patience, cloud=cloud, action=f"delete {what}")
    except CloudTimeout as late:
        if refusal is None:
            raise
        raise CloudTimeout(cloud=cloud, action=f"delete {what}", reason=refusal.message) from late


def run_all(steps: Sequence[Callable[[], None]]) -> None:
    """Runs every step even if an earlier one fails: one stuck resource must not keep the others alive.

    Raises the only error, or a CloudError that tells all of them.
    """
    errors: list[CoriolisError] = []
    for step in steps:
        try:
            step()
        except CoriolisError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        reasons = "; ".join(error.message for error in errors)
        cloud = next((str(e.fields["cloud"]) for e in errors if "cloud" in e.fields), "the cloud")
        raise CloudError(cloud=cloud, action="clean up", reason=reasons) from errors[0]
