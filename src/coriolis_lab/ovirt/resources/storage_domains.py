"""Storage domains. Their status is told only below the data centre; here an attached one shows none.

What lies on them is in `storage_contents`, what is done to them in `storage_domain_actions`.
"""

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import GIGABYTE, Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import (
    BLOCK_STORAGE,
    FILE_STORAGE,
    MANAGED_BLOCK_STORAGE,
    StorageDomain,
)
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, invalid
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, delete, found, get, post, put, removed

ACTIONS = ("isattached", "updateovfstore", "refreshluns", "reduceluns")
DATA_LINKS = (
    "disks",
    "diskprofiles",
    "disksnapshots",
    "storageconnections",
    "permissions",
    "templates",
    "vms",
)
# as recorded of each kind: only what such a domain can hold
LINKS = {
    "data": DATA_LINKS,
    "managed_block_storage": DATA_LINKS,
    "image": ("images", "diskprofiles", "disksnapshots", "permissions"),
    "iso": ("diskprofiles", "files", "disksnapshots", "storageconnections", "permissions"),
    "export": ("diskprofiles", "disksnapshots", "storageconnections", "permissions", "templates", "vms"),
}
ISCSI_PORT = 3260
CAPACITY = 500 * GIGABYTE  # of a domain that a client makes: there is no storage behind it to ask


def render(engine: Engine, domain: StorageDomain) -> Element:
    """As in /storagedomains."""
    data_centers = None
    if domain.data_center_id:
        data_centers = struct("data_centers", reference("data_center", "datacenters", domain.data_center_id))
    status = None if domain.data_center_id else "unattached"
    path = f"storagedomains/{domain.id}"
    return _render(engine, domain, path, status, data_centers, actions=ACTIONS, links=LINKS[domain.type])


def render_attached(engine: Engine, domain: StorageDomain) -> Element:
    """As in /datacenters/{id}/storagedomains."""
    data_center_id = domain.data_center_id or ""
    path = f"datacenters/{data_center_id}/storagedomains/{domain.id}"
    data_center = reference("data_center", "datacenters", data_center_id)
    links = ("disks",) if "disks" in LINKS[domain.type] else ()
    actions = ("activate", "deactivate")
    return _render(engine, domain, path, domain.status, data_center, actions=actions, links=links)


def _render(
    engine: Engine,
    domain: StorageDomain,
    path: str,
    status: str | None,
    data_center: Element | None,
    *,
    actions: tuple[str, ...],
    links: tuple[str, ...],
) -> Element:
    attached = domain.data_center_id is not None
    gives_space = attached and domain.type == "data"
    storage_type = None if domain.storage_type == MANAGED_BLOCK_STORAGE else domain.storage_type
    storage = struct(
        "storage",
        leaf("address", domain.address if storage_type == "nfs" else None),
        leaf("nfs_version", "auto" if storage_type == "nfs" else None),
        leaf("path", export_path(domain) if storage_type == "nfs" else None),
        leaf("type", storage_type),
        _volume_group(domain) if domain.is_block else None,
    )
    return entity(
        "storage_domain",
        path,
        domain.id,
        leaf("available", engine.available(domain) if gives_space else None),
        leaf("backup", False),
        leaf("block_size", 512),
        leaf("committed", engine.committed(domain)),
        leaf("critical_space_action_blocker", domain.critical_space),
        leaf("discard_after_delete", False),
        leaf("external_status", "ok"),
        leaf("master", is_master(engine, domain)),
        leaf("status", status),
        storage,
        leaf("storage_format", "v5"),
        leaf("supports_discard", False),
        leaf("supports_discard_zeroes_data", False),
        leaf("type", domain.type),
        leaf("used", engine.used(domain) if gives_space else None),
        leaf("warning_low_space_indicator", domain.warning_low_space),
        leaf("wipe_after_delete", domain.wipe_after_delete),
        data_center,
        actions=actions,
        name=domain.name,
        description=domain.description,
        comment=domain.comment,
        links=links,
    )


def is_master(engine: Engine, domain: StorageDomain) -> bool:
    """The first data domain of its data centre."""
    inside = [
        other
        for other in engine.storage_domains.values()
        if other.type == "data" and other.data_center_id == domain.data_center_id
    ]
    return domain.data_center_id is not None and domain in inside[:1]


def export_path(domain: StorageDomain) -> str:
    return domain.path or f"/exports/{domain.name}"


def lun_id(domain_id: str) -> str:
    """As a SCSI disk's World Wide Name."""
    return f"3600{domain_id.replace('-', '')[:28]}"


def iscsi_target(domain: StorageDomain) -> str:
    return f"iqn.2026-11.example.lab:{domain.name}"


def _volume_group(domain: StorageDomain) -> Element:
    return struct(
        "volume_group", struct("logical_units", logical_unit(domain)), attributes=(("id", group_id(domain)),)
    )


def group_id(domain: StorageDomain) -> str:
    return f"lab-{domain.id[:8]}"


def logical_unit(domain: StorageDomain) -> Element:
    """The one LUN of a block domain; of iSCSI, with its target."""
    address = domain.address if domain.storage_type == "iscsi" else None
    return struct(
        "logical_unit",
        leaf("address", address),
        leaf("discard_max_size", 0),
        leaf("discard_zeroes_data", False),
        leaf("lun_mapping", 1),
        leaf("paths", 0),
        leaf("port", ISCSI_PORT if address else None),
        leaf("product_id", "LUN"),
        leaf("size", domain.capacity),
        leaf("storage_domain_id", domain.id),
        leaf("target", iscsi_target(domain) if address else None),
        leaf("vendor_id", "LAB"),
        leaf("volume_group_id", group_id(domain)),
        attributes=(("id", lun_id(domain.id)),),
    )


def _keys(engine: Engine) -> Keys[StorageDomain]:
    def data_center(record: StorageDomain) -> list[str]:
        return [engine.data_centers[record.data_center_id].name] if record.data_center_id else []

    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "status": lambda record: [record.status if record.data_center_id else "unattached"],
        "type": lambda record: [record.type, record.storage_type],
        "datacenter": data_center,
        "datacenter.name": data_center,
    }


def list_all(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        domains = engine.storage_domains.values()
        return listing(call, "storage_domains", domains, lambda domain: render(engine, domain), _keys(engine))


def domain_of(call: Call) -> StorageDomain:
    domain = call.engine.storage_domains.get(call.ids["domain"])
    if domain is None:
        raise gone()
    return domain


def show(call: Call) -> Reply:
    with call.engine.lock:
        disk_ids = [
            disk.id for disk in call.engine.disks.values() if disk.storage_domain_id == domain_of(call).id
        ]
    for disk_id in disk_ids:
        call.engine.measure(disk_id)
    with call.engine.lock:
        return found(render(call.engine, domain_of(call)))


def add(call: Call) -> Reply:
    """A new domain, unattached. It needs a host of the engine to make it with."""
    engine, body = call.engine, call.document
    with engine.lock:
        kind = body.choice("type", ("data", "iso", "export"))
        storage_type = body.choice("storage/type", (*FILE_STORAGE, *BLOCK_STORAGE))
        host, name = body.find("host"), body.string("name")
        if host is None or not (host.id or host.string("name")):
            raise incomplete("StorageDomain", "host.id|name", "add")
        if kind is None or storage_type is None or not name:
            missing = "type" if kind is None else "storage.type" if storage_type is None else "name"
            raise incomplete("StorageDomain", missing, "add")
        engine.named_host(host)
        _check_name(engine, name, "add")
        domain = StorageDomain(new_id(), name, None, storage_type, kind, CAPACITY, new_id())
        if storage_type in FILE_STORAGE:
            _read_export(engine, domain, body)
        elif body.find("storage/volume_group") is None and body.find("storage/logical_units") is None:
            raise incomplete("StorageDomain", "storage.volumeGroup|logicalUnits", "add")
        _read_texts(domain, body)
        engine.storage_domains[domain.id] = domain
        return Reply(201, render(engine, domain))


def _read_export(engine: Engine, domain: StorageDomain, body: Node) -> None:
    path = body.string("storage/path")
    if not path:
        raise incomplete("StorageDomain", "storage.path", "add")
    domain.path, domain.address = path, body.string("storage/address") or ""
    if any(
        (export_path(other), other.address) == (path, domain.address)
        for other in engine.storage_domains.values()
    ):
        raise conflict("Cannot add Storage Connection. Storage connection already exists.")


def _check_name(engine: Engine, name: str, verb: str, besides: StorageDomain | None = None) -> None:
    if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
        raise invalid("Storage Domain name must be formed of 'a-z', 'A-Z', '0-9', '_' or '-' characters")
    if any(other.name == name and other is not besides for other in engine.storage_domains.values()):
        raise conflict(f"Cannot {verb} Storage. The Storage Domain name is already in use.")


def _read_texts(domain: StorageDomain, body: Node) -> None:
    domain.description = body.string_or("description", domain.description)
    domain.comment = body.string_or("comment", domain.comment)
    warning, critical = (
        body.integer("warning_low_space_indicator"),
        body.integer("critical_space_action_blocker"),
    )
    domain.warning_low_space = domain.warning_low_space if warning is None else warning
    domain.critical_space = domain.critical_space if critical is None else critical
    domain.wipe_after_delete = bool(body.boolean("wipe_after_delete"))


def update(call: Call) -> Reply:
    with call.engine.lock:
        domain, body = domain_of(call), call.document
        name = body.string("name")
        if name and name != domain.name:
            _check_name(call.engine, name, "edit", domain)
            domain.path = export_path(domain)  # the export keeps the name that it had
            domain.name = name
        _read_texts(domain, body)
        return found(render(call.engine, domain))


def remove(call: Call) -> Reply:
    """Unattached ones only; `destroy` takes one away whatever its state, and what lies on it too."""
    engine = call.engine
    with engine.lock:
        domain = domain_of(call)
        if domain.data_center_id is not None:
            raise conflict(
                f"Cannot remove Storage. The relevant Storage Domain's status is {domain.status.title()}."
            )
        if domain.type == "image":
            raise conflict(
                "Cannot manage Storage Domain. The domain is defined externally (such as through a provider)."
            )
        if call.query.get("host") is None and not call.flag("destroy"):
            raise incomplete("StorageDomain", "host.id|name", "remove")
        engine.storage_domains.pop(domain.id)
        return removed(call, call.done(f"Removing Storage Domain {domain.name}"))


ROUTES = [
    get("storagedomains", list_all),
    post("storagedomains", add),
    get("storagedomains/{domain}", show),
    put("storagedomains/{domain}", update),
    delete("storagedomains/{domain}", remove),
]
