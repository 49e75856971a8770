"""Lists of what Cinder derives from volumes."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from coriolis_lab.openstack.paging import next_link, page
from coriolis_lab.openstack.records import Backup, Snapshot
from coriolis_lab.openstack.web import Call, Json, Reply

Item = TypeVar("Item", Snapshot, Backup)


def listing(call: Call, plural: str, seen: Iterable[Item], view: Callable[[Call, Item], Json]) -> Reply:
    """One page of those that the query's filters leave, newest first."""
    items = list(seen)
    for name in ("name", "status", "volume_id"):
        if name in call.query:
            items = [item for item in items if getattr(item, name) == call.query[name]]
    items.sort(key=lambda item: item.created, reverse=True)
    shown, more = page(call, items, [item.id for item in items])
    body: Json = {plural: [view(call, item) for item in shown]}
    if more:
        body[f"{plural}_links"] = next_link(call, shown[-1].id)
    return Reply(body)
