"""Disks: list, get, add, update, delete."""

from coriolis_lab.ovirt.disk_rules import read_new_disk
from coriolis_lab.ovirt.disk_work import create_disk, delete_disk, update_disk
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Disk, DiskStatus, StorageDomain
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, delete, found, get, post, put, removed

ACTIONS = ("reduce", "copy", "export", "move", "refreshlun", "sparsify")
LINKS = ("permissions", "disksnapshots", "statistics")


def render(engine: Engine, disk: Disk, *, alone: bool = False, backup_mode: str | None = None) -> Element:
    """`alone`: a single GET also names the VMs that use the disk. `backup_mode`: below a backup, what to read."""
    domain = engine.storage_domains[disk.storage_domain_id]
    managed = domain.type == "managed_block_storage"
    vms = None
    if alone:
        users = [reference("vm", "vms", vm.id) for vm in engine.vms_of_disk(disk.id)]
        vms = struct("vms", *users) if users else None
    disk_format = engine.disk_format(disk)
    return entity(
        "disk",
        f"disks/{disk.id}",
        disk.id,
        leaf(
            "actual_size", disk.actual_size if disk.sparse else max(disk.actual_size, disk.provisioned_size)
        ),
        leaf("alias", disk.alias),
        leaf("backup", disk.backup),
        leaf("backup_mode", backup_mode),
        leaf("content_type", disk.content_type),
        leaf("format", disk_format),
        leaf("image_id", disk.image_id),
        leaf("propagate_errors", disk.propagate_errors),
        leaf("provisioned_size", disk.provisioned_size),
        leaf("qcow_version", "qcow2_v3" if disk_format == "cow" else None),
        leaf("shareable", disk.shareable),
        leaf("sparse", disk.sparse),
        leaf("status", disk.status),
        leaf("storage_type", "managed_block_storage" if managed else "image"),
        leaf("total_size", disk.actual_size if disk.sparse else disk.provisioned_size),
        leaf("wipe_after_delete", disk.wipe_after_delete),
        reference("disk_profile", "diskprofiles", domain.disk_profile_id),
        _quota(domain) if domain.data_center_id else None,
        struct("storage_domains", reference("storage_domain", "storagedomains", disk.storage_domain_id)),
        vms,
        actions=ACTIONS,
        name=disk.alias,
        description=disk.description,
        links=LINKS,
    )


def _quota(domain: StorageDomain) -> Element:
    """The data centre's default one, with its id."""
    center = domain.data_center_id or ""
    return reference("quota", f"datacenters/{center}/quotas", center)


def search_keys(engine: Engine) -> Keys[Disk]:
    def storage(record: Disk) -> list[str]:
        return [engine.storage_domains[record.storage_domain_id].name]

    def datacenter(record: Disk) -> list[str]:
        center = engine.storage_domains[record.storage_domain_id].data_center_id
        return [engine.data_centers[center].name] if center else []

    return {
        "name": lambda record: [record.alias],
        "alias": lambda record: [record.alias],
        "disk_name": lambda record: [record.alias],
        "id": lambda record: [record.id],
        "disk_id": lambda record: [record.id],
        "status": lambda record: [record.status.value],
        "description": lambda record: [record.description],
        "vm_names": lambda record: [vm.name for vm in engine.vms_of_disk(record.id)],
        "storage.name": storage,
        "storage": storage,
        "datacenter": datacenter,
        "number_of_vms": lambda record: [str(len(engine.vms_of_disk(record.id)))],
        "shareable": lambda record: [str(record.shareable).lower()],
        "disk_content_type": lambda record: [record.content_type],
        "image_id": lambda record: [record.image_id],
        "provisioned_size": lambda record: [str(record.provisioned_size)],
    }


def list_all(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        return listing(
            call, "disks", engine.disks.values(), lambda disk: render(engine, disk), search_keys(engine)
        )


def show(call: Call) -> Reply:
    call.engine.measure(call.ids["disk"])
    with call.engine.lock:
        disk = call.engine.disk(call.ids["disk"])
        if call.engine.faults.strike("disk.look", disk.alias):
            disk.status = DiskStatus.ILLEGAL
        return found(render(call.engine, disk, alone=True))


def add(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        disk = read_new_disk(engine, call.document)
        ended = create_disk(engine, disk, call.correlation_id)
        return Reply(202, render(engine, disk), ended)


def update(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        disk = engine.disk(call.ids["disk"])
        update_disk(engine, disk, call.document, call.correlation_id)
        return found(render(engine, disk, alone=True))


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        disk = engine.disk(call.ids["disk"])
        job, ended = delete_disk(engine, disk, call.correlation_id)
        return removed(call, job, ended)


ROUTES = [
    get("disks", list_all),
    post("disks", add),
    get("disks/{disk}", show),
    put("disks/{disk}", update),
    delete("disks/{disk}", remove),
]
