"""VM pools, read only: no REST call of any version adds an existing VM to one."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import VmPool
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, found, get


def render(pool: VmPool) -> Element:
    return entity(
        "vm_pool",
        f"vmpools/{pool.id}",
        pool.id,
        leaf("auto_storage_select", False),
        leaf("max_user_vms", 1),
        leaf("prestarted_vms", 0),
        leaf("size", pool.size),
        leaf("stateful", False),
        leaf("type", "automatic"),
        leaf("use_latest_template_version", False),
        reference("cluster", "clusters", pool.cluster_id),
        reference("template", "templates", pool.template_id),
        actions=("allocatevm",),
        name=pool.name,
        description=pool.description,
        comment="",
    )


def _keys(engine: Engine) -> Keys[VmPool]:
    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "cluster": lambda record: [engine.clusters[record.cluster_id].name],
    }


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "vm_pools", call.engine.pools.values(), render, _keys(call.engine))


def show(call: Call) -> Reply:
    with call.engine.lock:
        pool = call.engine.pools.get(call.ids["pool"])
        if pool is None:
            raise gone()
        return found(render(pool))


ROUTES = [get("vmpools", list_all), get("vmpools/{pool}", show)]
