"""Pools of MAC addresses. Clusters use the default one; others are only kept."""

from coriolis_lab.ovirt.administration import MacPool
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, struct
from coriolis_lab.ovirt.names import normal_mac
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, post, put, removed


def render(_call: Call, pool: MacPool) -> Element:
    ranges = [struct("range", leaf("from", first), leaf("to", last)) for first, last in pool.ranges]
    return entity(
        "mac_pool",
        f"macpools/{pool.id}",
        pool.id,
        leaf("allow_duplicates", pool.allow_duplicates),
        leaf("default_pool", pool.is_default),
        struct("ranges", *ranges),
        name=pool.name,
        description=pool.description,
        links=("permissions",),
    )


def _pool(call: Call) -> MacPool:
    pool = call.engine.mac_pools.get(call.ids["one"])
    if pool is None:
        raise gone()
    return pool


def _read(engine: Engine, pool: MacPool, body: Node, verb: str) -> None:
    name = body.string("name") or pool.name
    if any(one.name == name and one is not pool for one in engine.mac_pools.values()):
        raise conflict(
            f"Cannot {verb} MAC Pool. The MAC Pool name is already in use, please choose a unique name and try again."
        )
    ranges = tuple(
        (normal_mac(node.string("from") or ""), normal_mac(node.string("to") or ""))
        for node in body.all("ranges/range")
    )
    duplicates = body.boolean("allow_duplicates")
    if body.boolean("default_pool") not in (None, pool.is_default):
        raise conflict(f"Cannot {verb} MAC Pool. Setting default MAC Pool is not supported.")
    pool.name, pool.ranges = name, ranges or pool.ranges
    pool.description = body.string_or("description", pool.description)
    pool.allow_duplicates = pool.allow_duplicates if duplicates is None else duplicates


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        if not body.string("name"):
            raise incomplete("MacPool", "name", "add")
        pool = MacPool(new_id(), "")
        _read(engine, pool, body, "add")
        if not pool.ranges:
            raise conflict("Cannot add MAC Pool. MAC Pool must contain at least one MAC address range.")
        engine.mac_pools[pool.id] = pool
        return Reply(201, render(call, pool))


def update(call: Call) -> Reply:
    with call.engine.lock:
        pool = _pool(call)
        _read(call.engine, pool, call.document, "edit")
        return found(render(call, pool))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        pool = _pool(call)
        if pool.is_default:
            raise conflict("Cannot remove MAC Pool. Default MAC Pool cannot be removed.")
        call.engine.mac_pools.pop(pool.id)
        return removed(call, call.done(f"Removing MAC Pool {pool.name}"))


ROUTES: list[ApiRoute] = [
    *catalog("macpools", "mac_pools", lambda call: list(call.engine.mac_pools.values()), render),
    post("macpools", add),
    put("macpools/{one}", update),
    delete("macpools/{one}", remove),
]
