"""The ledger, as one step of one job writes it for one endpoint (see `providers.base.Ledger`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from coriolis.model.enums import ResourceKind, ResourceState
from coriolis.model.records import LedgerEntry
from coriolis.store.database import Database, Fence


class BoundRow:
    """See `providers.base.LedgerRow`."""

    def __init__(self, ledger: "BoundLedger", entry: LedgerEntry, attempted: bool) -> None:
        self._ledger = ledger
        self._kind = entry.kind
        self.name = entry.name
        self.attempted = attempted
        self.cloud_id = entry.cloud_id

    def created(self, cloud_id: str) -> None:
        self._ledger.set_state(self._kind, self.name, ResourceState.PRESENT, cloud_id=cloud_id)
        self.cloud_id = cloud_id


class BoundLedger:
    def __init__(self, database: Database, fence: Fence, step: str, endpoint_id: str) -> None:
        self._database = database
        self._fence = fence
        self._step = step
        self._endpoint_id = endpoint_id

    @contextmanager
    def creating(self, kind: ResourceKind, name: str) -> Iterator[BoundRow]:
        entry, attempted = self._database.resources.plan(
            self._fence, self._step, endpoint_id=self._endpoint_id, kind=kind, name=name
        )
        yield BoundRow(self, entry, attempted)

    def find(self, kind: ResourceKind, name: str) -> BoundRow | None:
        entry = self._database.resources.find(self._endpoint_id, kind, name)
        return None if entry is None else BoundRow(self, entry, attempted=True)

    def removed(self, kind: ResourceKind, name: str) -> None:
        self.set_state(kind, name, ResourceState.REMOVED)

    def keep(self, kind: ResourceKind, name: str, reason: str) -> None:
        self.set_state(kind, name, ResourceState.KEPT, reason=reason)

    def set_state(self, kind: ResourceKind, name: str, state: ResourceState, **values: str) -> None:
        self._database.resources.set_state(
            self._fence, self._endpoint_id, kind=kind, name=name, state=state, **values
        )
