"""POST /vms: from the Blank template, from a template (thin or a clone), from a snapshot; and the clone
action.
"""

from dataclasses import replace

from coriolis_lab.ovirt.disk_rules import BACKUPS, FORMATS, check_configuration, check_usable, initial_space
from coriolis_lab.ovirt.disk_work import check_unlocked
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.machine_settings import (
    Initialization,
    MachineSettings,
    check_settings,
    read_initialization,
    read_settings,
)
from coriolis_lab.ovirt.names import check_alias, check_vm_name
from coriolis_lab.ovirt.records import (
    BLANK_TEMPLATE_ID,
    Cluster,
    Disk,
    DiskStatus,
    Snapshot,
    StorageDomain,
    Template,
    Vm,
    VmStatus,
)
from coriolis_lab.ovirt.refusals import conflict, incomplete, missing
from coriolis_lab.ovirt.resources.instance_types import chosen_type
from coriolis_lab.ovirt.resources.vm_import import add_from_configuration
from coriolis_lab.ovirt.resources.vms import check_name_free, render
from coriolis_lab.ovirt.vm_work import (
    NewDisk,
    add_vm,
    from_running_vm,
    from_snapshot_disk,
    from_template_disk,
    from_vm_disk,
    new_vm,
)
from coriolis_lab.ovirt.web import Call, Reply, action, completed, post


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        configuration = body.string("initialization/configuration/data")
        if configuration:
            return add_from_configuration(call, configuration)
        name = body.string("name")
        if not name:
            raise incomplete("Vm", "name", "add")
        cluster_node = body.find("cluster")
        if cluster_node is None:
            raise incomplete("Vm", "cluster.id|name", "add")
        cluster = engine.named_cluster(cluster_node)
        snapshot_node = body.find("snapshots/snapshot")
        if snapshot_node is not None:
            return _add_from_snapshot(call, name, cluster, _snapshot(engine, snapshot_node))
        template_node = body.find("template")
        if template_node is None:
            raise incomplete("Vm", "template.id|name", "add")
        return _add_from_template(call, name, cluster, engine.named_template(template_node))


def _add_from_template(call: Call, name: str, cluster: Cluster, template: Template) -> Reply:
    engine, body = call.engine, call.document
    if template.status != "ok":
        raise conflict("Template's Image is locked (temporarily).")
    _check_same_data_center(engine, cluster, template)
    base = replace(template.settings, description="", comment="", delete_protected=False)
    if template.id == BLANK_TEMPLATE_ID:
        base = replace(base, bios_type=cluster.bios_type)
    initialization = read_initialization(body.find("initialization")) or template.initialization
    vm = _checked_vm(call, name, cluster, template.id, base=base, initialization=initialization)
    clone = call.flag("clone")
    disks = [template_disk(engine, body, disk, template, clone) for disk in engine.attached_disks(template)]
    if clone:
        # a clone keeps nothing of the template: the engine calls it based on Blank
        vm.template_id = BLANK_TEMPLATE_ID
    fault = engine.admit("vm.create", name)
    nics = list(template.nics.values())
    ended = add_vm(engine, vm, disks, nics, correlation_id=call.correlation_id, fault=fault)
    return Reply(201 if ended is None else 202, render(engine, vm), ended)


def _add_from_snapshot(call: Call, name: str, cluster: Cluster, snapshot: Snapshot) -> Reply:
    engine, body = call.engine, call.document
    if snapshot.status != "ok":
        raise conflict("Cannot add VM. The Snapshot is locked. Please try again in a few minutes.")
    source = engine.vms[snapshot.vm_id]
    base = replace(snapshot.settings or source.settings, description="", comment="", delete_protected=False)
    vm = _checked_vm(call, name, cluster, BLANK_TEMPLATE_ID, base=base, initialization=source.initialization)
    domains = {
        image_id: domain
        for item in body.all("disk_attachments/disk_attachment")
        if (image_id := item.string("disk/image_id"))
        and (domain := _requested_domain(engine, item.find("disk")))
    }
    disks = []
    for entry in snapshot.disks:
        domain = domains.get(entry.image_id)
        disks.append(from_snapshot_disk(engine, entry, domain.id if domain else None))
    fault = engine.admit("vm.create", name)
    nics = list(source.nics.values())
    ended = add_vm(engine, vm, disks, nics, correlation_id=call.correlation_id, fault=fault)
    return Reply(201 if ended is None else 202, render(engine, vm), ended)


def _checked_vm(
    call: Call,
    name: str,
    cluster: Cluster,
    template_id: str,
    *,
    base: MachineSettings,
    initialization: Initialization | None,
) -> Vm:
    """`vm_pool` of the body is ignored, as the engine does."""
    check_vm_name(name)
    check_name_free(call.engine, name, cluster.data_center_id, "add")
    instance_type = chosen_type(call.engine, call.document)
    if instance_type is not None:
        base = instance_type.apply(base)
    settings = read_settings(call.document, base, call.engine.look)
    if settings.bios_type == "cluster_default":
        settings = replace(settings, bios_type=cluster.bios_type)
    check_settings(settings, "add")
    vm = new_vm(name, cluster.id, template_id, settings, initialization)
    vm.instance_type_id = instance_type.id if instance_type else None
    return vm


def _check_same_data_center(engine: Engine, cluster: Cluster, template: Template) -> None:
    if template.cluster_id is None:
        return
    if engine.clusters[template.cluster_id].data_center_id != cluster.data_center_id:
        raise conflict("The specified Template doesn't exist in the current Data Center.")


def _snapshot(engine: Engine, node: Node) -> Snapshot:
    for vm in engine.vms.values():
        if node.id in vm.snapshots:
            return vm.snapshots[node.id]
    raise missing(f"Snapshot: id={node.id}")


def _requested_domain(engine: Engine, disk_node: Node | None) -> StorageDomain | None:
    if disk_node is None:
        return None
    domain_node = disk_node.find("storage_domains/storage_domain")
    if domain_node is None:
        return None
    domain = engine.named_storage_domain(domain_node)
    check_usable(domain, "add VM")
    return domain


def template_disk(engine: Engine, body: Node, source: Disk, template: Template, clone: bool) -> NewDisk:
    """A thin disk is cow on its template's domain; a clone is what and where the request wishes."""
    wish = next(
        (
            disk
            for item in body.all("disk_attachments/disk_attachment")
            if (disk := item.find("disk")) is not None and disk.id == source.id
        ),
        None,
    )
    domain = _requested_domain(engine, wish) or _common_domain(engine, body)
    domain = domain or engine.storage_domains[source.storage_domain_id]
    target = replace(
        source,
        id=new_id(),
        image_id=new_id(),
        storage_domain_id=domain.id,
        status=DiskStatus.LOCKED,
        made=False,
        base_format="cow",
        sparse=True,
        source_image=None,
        template_id=None,
        template_snapshot=None,
    )
    if wish is not None:
        target = _apply_wish(target, wish, clone)
    if not clone and wish is not None and domain.id != source.storage_domain_id:
        raise conflict("Cannot add VM. The selected Storage Domain does not contain the VM Template.")
    check_configuration(target, domain, "add VM")
    needed = (
        max(initial_space(target, domain), source.actual_size) if clone else initial_space(target, domain)
    )
    engine.check_space(domain, needed, "add VM")
    return from_template_disk(engine, source, template.attachments[source.id], target)


def _common_domain(engine: Engine, body: Node) -> StorageDomain | None:
    """`<storage_domain>` of the VM itself; some clients send it empty."""
    node = body.find("storage_domain")
    if node is None or not (node.id or node.string("name")):
        return None
    domain = engine.named_storage_domain(node)
    check_usable(domain, "add VM")
    return domain


def _apply_wish(target: Disk, wish: Node, clone: bool) -> Disk:
    alias = wish.string("alias") or wish.string("name")
    if alias:
        check_alias(alias)
    target = replace(
        target, alias=alias or target.alias, backup=wish.choice("backup", BACKUPS) or target.backup
    )
    if not clone:
        return target
    sparse = wish.boolean("sparse")
    return replace(
        target,
        base_format=wish.choice("format", FORMATS) or target.base_format,
        sparse=target.sparse if sparse is None else sparse,
    )


def clone(call: Call) -> Reply:
    """POST /vms/{id}/clone: full copies of the disks; of a running VM, on engines that can, as of one instant."""
    engine = call.engine
    with engine.lock:
        source = engine.vm(call.ids["vm"])
        name = call.document.string("vm/name")
        if not name:
            raise incomplete("Action", "vm.name", "clone")
        check_vm_name(name, "clone VM")
        cluster = engine.clusters[source.cluster_id]
        check_name_free(engine, name, cluster.data_center_id, "clone")
        up = source.status == VmStatus.UP and engine.look.clones_running_vms
        if source.status != VmStatus.DOWN and not up:
            raise conflict("Cannot clone VM. At least one of the VMs is not down.")
        for disk in engine.attached_disks(source):
            check_unlocked(disk, "clone", "VM")
        settings = replace(source.settings, delete_protected=False)
        vm = new_vm(name, cluster.id, BLANK_TEMPLATE_ID, settings, source.initialization)
        if up:
            disks = from_running_vm(engine, source)
        else:
            attached = engine.attached_disks(source)
            disks = [from_vm_disk(engine, disk, source.attachments[disk.id]) for disk in attached]
        fault = engine.admit("vm.create", name)
        nics = list(source.nics.values())
        add_vm(engine, vm, disks, nics, correlation_id=call.correlation_id, fault=fault)
        return completed(list(engine.journal.jobs.values())[-1])


ROUTES = [post("vms", add), action("vms/{vm}/clone", clone)]
