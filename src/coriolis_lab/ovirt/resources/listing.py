"""Lists of entities with search, paging and `max`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.search import Keys, select
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, collection, found, get

Record = TypeVar("Record")


class Identified(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Identified)


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
    limit = call.query.get("max", "")
    if limit.isdigit():  # the engine ignores what is no number, and a negative one means all
        chosen = chosen[: int(limit)]
    return collection(tag, [render(record) for record in chosen])


def catalog(
    path: str,
    tag: str,
    records: Callable[[Call], Iterable[Item]],
    render: Callable[[Call, Item], Element],
    variable: str = "one",
    *,
    keys: Callable[[Engine], Keys[Item]] | None = None,
) -> Sequence[ApiRoute]:
    """GET of a collection and of its items. `variable` is what the item's id is called in the path; `keys` as in
    `listing`.

    `records` is called under the engine's lock, after the entities above have been found.
    """

    def list_all(call: Call) -> Reply:
        with call.engine.lock:
            call.engine.require(call.ids)
            searched = keys(call.engine) if keys else None
            return listing(call, tag, records(call), lambda record: render(call, record), searched)

    def show(call: Call) -> Reply:
        with call.engine.lock:
            call.engine.require(call.ids)
            for record in records(call):
                if record.id == call.ids[variable]:
                    return found(render(call, record))
        raise gone()

    return get(path, list_all), get(f"{path}/{{{variable}}}", show)
