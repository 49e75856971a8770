"""Actions on a disk: copy, move, sparsify. The answer to a copy does not name it: clients search for the alias they
gave.
"""

from coriolis_lab.ovirt.disk_rules import check_usable
from coriolis_lab.ovirt.disk_work import copy_disk, move_disk, sparsify_disk
from coriolis_lab.ovirt.refusals import incomplete
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


ROUTES = [
    action("disks/{disk}/copy", copy),
    action("disks/{disk}/move", move),
    action("disks/{disk}/sparsify", sparsify),
]
