"""Actions on a disk: copy, move, sparsify, reduce, export. The answer to a copy does not name it: clients search for
the alias they gave.
"""

from coriolis_lab.ovirt.disk_rules import check_usable
from coriolis_lab.ovirt.disk_work import check_unlocked, copy_disk, move_disk, sparsify_disk
from coriolis_lab.ovirt.refusals import conflict, incomplete
from coriolis_lab.ovirt.web import Call, Reply, action, completed


def copy(call: Call) -> Reply:
    """`<action><disk><name/></disk><storage_domain id/></action>`; the alias of the source where none is
    given.
    """
    engine = call.engine
    with engine.lock:
        source = engine.disk(call.ids["disk"])
        node = call.document.find("storage_domain")
        if node is None:
            raise incomplete("Action", "storageDomain.id|name", "copy")
        domain = engine.named_storage_domain(node)
        check_usable(domain, "copy Virtual Disk")
        alias = call.document.string("disk/alias") or call.document.string("disk/name") or source.alias
        job, _ended = copy_disk(engine, source, alias, domain, call.correlation_id)
        return completed(job)


def move(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        disk = engine.disk(call.ids["disk"])
        node = call.document.find("storage_domain")
        if node is None:
            raise incomplete("Action", "storageDomain.id|name", "move")
        domain = engine.named_storage_domain(node)
        check_usable(domain, "move Virtual Disk")
        return completed(move_disk(engine, disk, domain, call.correlation_id))


def sparsify(call: Call) -> Reply:
    with call.engine.lock:
        disk = call.engine.disk(call.ids["disk"])
        return completed(sparsify_disk(call.engine, disk, call.correlation_id))


def reduce(call: Call) -> Reply:
    """Gives the unused end of a thin disk on block storage back; the lab's take no more than is written."""
    engine = call.engine
    with engine.lock:
        disk = engine.disk(call.ids["disk"])
        check_unlocked(disk, "reduce")
        domain = engine.storage_domains[disk.storage_domain_id]
        if not domain.is_block:
            raise conflict(
                "Cannot reduce Virtual Disk. Reduce image is not supported for file based storage domains."
            )
        if engine.disk_format(disk) != "cow":
            raise conflict("Cannot reduce Virtual Disk. Reduce image is not supported for raw disks.")
        return completed(sparsify_disk(engine, disk, call.correlation_id))


def export(call: Call) -> Reply:
    """To an image repository (Glance); the lab's has no server behind it."""
    engine = call.engine
    with engine.lock:
        disk = engine.disk(call.ids["disk"])
        check_unlocked(disk, "export")
        node = call.document.find("storage_domain")
        if node is None:
            raise incomplete("Action", "storageDomain.id|name", "export")
        domain = engine.named_storage_domain(node)
        if domain.type != "image":
            raise conflict("Cannot export Virtual Disk. Storage Domain type is illegal.")
        raise conflict(
            "Cannot export Virtual Disk: Storage Domain cannot be accessed.\n"
            "-Please check that at least one Host is operational and Data Center state is up."
        )


def refresh_lun(call: Call) -> Reply:
    with call.engine.lock:
        call.engine.disk(call.ids["disk"])
        raise conflict(
            "Cannot refresh LUN Virtual Disk. Action is unsupported for the specified disk type (IMAGE)."
        )


ROUTES = [
    action("disks/{disk}/copy", copy),
    action("disks/{disk}/move", move),
    action("disks/{disk}/sparsify", sparsify),
    action("disks/{disk}/reduce", reduce),
    action("disks/{disk}/export", export),
    action("disks/{disk}/refreshlun", refresh_lun),
]
