"""Lists of entities with search, paging and `max`."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from coriolis_lab.ovirt.markup import Element
from coriolis_lab.ovirt.refusals import bad_request
from coriolis_lab.ovirt.search import Keys, select
from coriolis_lab.ovirt.web import Call, Reply, collection

Record = TypeVar("Record")


def listing(
    call: Call,
    tag: str,
    records: Iterable[Record],
    render: Callable[[Record], Element],
    keys: Keys[Record] | None = None,
) -> Reply:
    """`keys` None: the collection has no search, and the parameter is ignored, as the engine does."""
    chosen = list(records)
    if keys is not None:
        sensitive = call.flag("case_sensitive")
        chosen = select(chosen, call.query.get("search"), keys, case_sensitive=sensitive)
    limit = call.query.get("max")
    if limit is not None:
        if not limit.lstrip("-").isdigit():
            raise bad_request("Invalid value", f"max expects an integer, not {limit!r}")
        if int(limit) >= 0:
            chosen = chosen[: int(limit)]
    return collection(tag, [render(record) for record in chosen])
