"""VM pools: thin VMs of one template that users are given. No REST call of any version adds an existing VM to one."""

from dataclasses import replace

from coriolis_lab.ovirt import running
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import VM_STARTED
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.names import check_vm_name
from coriolis_lab.ovirt.records import Vm, VmPool, VmStatus
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.resources.vm_creation import template_disk
from coriolis_lab.ovirt.resources.vms import check_name_free
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.vm_work import add_vm, new_vm, remove_vm
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, action, delete, found, post, put, removed

TYPES = ("automatic", "manual")
NUMBER = "?"  # a run of them in a pool's name is the place of the members' numbers


def render(engine: Engine, pool: VmPool) -> Element:
    return entity(
        "vm_pool",
        f"vmpools/{pool.id}",
        pool.id,
        leaf("auto_storage_select", False),
        leaf("max_user_vms", pool.max_user_vms),
        leaf("prestarted_vms", pool.prestarted),
        leaf("size", max(pool.size, len(members(engine, pool)))),
        leaf("stateful", pool.stateful),
        leaf("type", pool.type),
        leaf("use_latest_template_version", False),
        reference("cluster", "clusters", pool.cluster_id),
        reference("template", "templates", pool.template_id),
        actions=("allocatevm",),
        name=pool.name,
        description=pool.description,
        comment=pool.comment,
        links=("permissions",),
    )


def members(engine: Engine, pool: VmPool) -> list[Vm]:
    return [vm for vm in engine.vms.values() if vm.pool_id == pool.id]


def _keys(engine: Engine) -> Keys[VmPool]:
    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "description": lambda record: [record.description],
        "cluster": lambda record: [engine.clusters[record.cluster_id].name],
        "datacenter": lambda record: [engine.data_center_of_cluster(record.cluster_id).name],
    }


def _pools(call: Call) -> list[VmPool]:
    return list(call.engine.pools.values())


def _pool(call: Call) -> VmPool:
    pool = call.engine.pools.get(call.ids["pool"])
    if pool is None:
        raise gone()
    return pool


def add(call: Call) -> Reply:
    """Its members are made meanwhile: they are image_locked until their disks are."""
    engine, body = call.engine, call.document
    with engine.lock:
        name = body.string("name")
        cluster_node, template_node = body.find("cluster"), body.find("template")
        if not name or cluster_node is None or template_node is None:
            missing = (
                "name" if not name else "cluster.id|name" if cluster_node is None else "template.id|name"
            )
            raise incomplete("VmPool", missing, "add")
        check_vm_name(name.replace(NUMBER, ""), "add VM-Pool")
        if any(pool.name == name for pool in engine.pools.values()):
            raise conflict(
                "Cannot add VM-Pool. The VM-Pool name is already in use, please choose a unique name and try again."
            )
        template = engine.named_template(template_node)
        if template.status != "ok":
            raise conflict("Template's Image is locked (temporarily).")
        pool = VmPool(
            id=new_id(),
            name=name,
            description=body.string("description") or "",
            cluster_id=engine.named_cluster(cluster_node).id,
            template_id=template.id,
            size=0,
            comment=body.string("comment") or "",
            prestarted=body.integer("prestarted_vms") or 0,
            max_user_vms=body.integer("max_user_vms") or 1,
            stateful=bool(body.boolean("stateful")),
            type=body.choice("type", TYPES) or "automatic",
        )
        engine.pools[pool.id] = pool
        _grow(call, pool, body.integer("size") or 1)
        return Reply(202, render(engine, pool))


def _grow(call: Call, pool: VmPool, size: int) -> None:
    """Adds members, thin on the template, until there are as many."""
    engine = call.engine
    template = engine.template(pool.template_id)
    taken = {vm.name for vm in engine.vms.values()}
    number = 0
    while len(members(engine, pool)) < size:
        number += 1
        name = member_name(pool.name, number)
        if name in taken:
            continue
        check_name_free(engine, name, engine.clusters[pool.cluster_id].data_center_id, "add")
        settings = replace(template.settings, description=pool.description, delete_protected=False)
        vm = new_vm(name, pool.cluster_id, template.id, settings, template.initialization)
        vm.pool_id = pool.id
        nothing = Node("vm")
        disks = [
            template_disk(engine, nothing, disk, template, clone=False)
            for disk in engine.attached_disks(template)
        ]
        nics = list(template.nics.values())
        add_vm(engine, vm, disks, nics, correlation_id=call.correlation_id, fault=None)
    pool.size = size


def member_name(pool_name: str, number: int) -> str:
    """pool-1, or pool-01 for the pool "pool-??"."""
    places = pool_name.count(NUMBER)
    if not places:
        return f"{pool_name}-{number}"
    return pool_name.replace(NUMBER * places, f"{number:0{places}}")


def update(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        pool = _pool(call)
        size = body.integer("size")
        if size is not None and size < len(members(engine, pool)):
            raise conflict("Cannot decrease VMs from VM-Pool.")
        name = body.string("name")
        if name and name != pool.name and any(other.name == name for other in engine.pools.values()):
            raise conflict(
                "Cannot edit VM-Pool. The VM-Pool name is already in use, please choose a unique name and try again."
            )
        pool.name = name or pool.name
        pool.description = body.string_or("description", pool.description)
        prestarted = body.integer("prestarted_vms")
        pool.prestarted = pool.prestarted if prestarted is None else prestarted
        pool.max_user_vms = body.integer("max_user_vms") or pool.max_user_vms
        if size is not None:
            _grow(call, pool, size)
        return found(render(engine, pool))


def remove(call: Call) -> Reply:
    """Members that are down go with it; a running one keeps the pool."""
    engine = call.engine
    with engine.lock:
        pool = _pool(call)
        vms = members(engine, pool)
        if any(vm.status != VmStatus.DOWN for vm in vms):
            raise conflict("Cannot remove VM-Pool. VM-Pool contains running or locked VMs.")
        for vm in vms:
            remove_vm(engine, vm, call.correlation_id, detach_only=False)
        engine.pools.pop(pool.id)
        return removed(call, call.done(f"Removing VM-Pool {pool.name}"))


def allocate(call: Call) -> Reply:
    """Starts a free member; the answer names it."""
    engine = call.engine
    with engine.lock:
        pool = _pool(call)
        vm = next((vm for vm in members(engine, pool) if vm.status == VmStatus.DOWN), None)
        if vm is None:
            raise conflict(
                "Cannot allocate and run VM from VM-Pool. There are no available VMs in the VM-Pool."
            )
        job = engine.journal.open_job(f"Launching VM {vm.name}", call.correlation_id)
        running.start(engine, vm, job, engine.admit("vm.start", vm.name))
        text = f"VM {vm.name} was started."
        engine.journal.tell(VM_STARTED, text, correlation_id=job.correlation_id, vm_id=vm.id)
        answer = struct(
            "action",
            reference("job", "jobs", job.id),
            leaf("status", "complete"),
            reference("vm", "vms", vm.id),
        )
        return Reply(200, answer)


ROUTES: list[ApiRoute] = [
    *catalog("vmpools", "vm_pools", _pools, lambda call, pool: render(call.engine, pool), "pool", keys=_keys),
    post("vmpools", add),
    put("vmpools/{pool}", update),
    delete("vmpools/{pool}", remove),
    action("vmpools/{pool}/allocatevm", allocate),
]
