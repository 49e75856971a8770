"""Storage domains. Their status is told only below the data centre; here an attached one shows none."""

from collections.abc import Iterator

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import MANAGED_BLOCK_STORAGE, Disk, Snapshot, SnapshotDisk, StorageDomain
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources import disks
from coriolis_lab.ovirt.resources.directory import permissions
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, collection, empty_list, found, get

LINKS = ("diskprofiles", "disks", "disksnapshots", "permissions", "templates", "vms")


def render(engine: Engine, domain: StorageDomain) -> Element:
    """As in /storagedomains."""
    data_centers = None
    if domain.data_center_id:
        data_centers = struct("data_centers", reference("data_center", "datacenters", domain.data_center_id))
    status = None if domain.data_center_id else "unattached"
    return _render(engine, domain, f"storagedomains/{domain.id}", status, data_centers)


def render_attached(engine: Engine, domain: StorageDomain) -> Element:
    """As in /datacenters/{id}/storagedomains."""
    data_center_id = domain.data_center_id or ""
    path = f"datacenters/{data_center_id}/storagedomains/{domain.id}"
    data_center = reference("data_center", "datacenters", data_center_id)
    return _render(engine, domain, path, "active", data_center)


def _render(
    engine: Engine, domain: StorageDomain, path: str, status: str | None, data_center: Element | None
) -> Element:
    attached = domain.data_center_id is not None
    gives_space = attached and domain.type == "data"
    storage_type = None if domain.storage_type == MANAGED_BLOCK_STORAGE else domain.storage_type
    storage = struct(
        "storage",
        leaf("address", "storage.lab.example" if storage_type == "nfs" else None),
        leaf("path", f"/exports/{domain.name}" if storage_type == "nfs" else None),
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
        leaf("critical_space_action_blocker", 5),
        leaf("discard_after_delete", False),
        leaf("external_status", "ok"),
        leaf("master", _is_master(engine, domain)),
        leaf("status", status),
        storage,
        leaf("storage_format", "v5"),
        leaf("supports_discard", False),
        leaf("supports_discard_zeroes_data", False),
        leaf("type", domain.type),
        leaf("used", engine.used(domain) if gives_space else None),
        leaf("warning_low_space_indicator", 10),
        leaf("wipe_after_delete", False),
        data_center,
        actions=("isattached", "updateovfstore", "refreshluns", "reduceluns"),
        name=domain.name,
        description="",
        comment="",
        links=LINKS,
    )


def _is_master(engine: Engine, domain: StorageDomain) -> bool:
    """The first data domain of its data centre."""
    inside = [
        other
        for other in engine.storage_domains.values()
        if other.type == "data" and other.data_center_id == domain.data_center_id
    ]
    return domain.data_center_id is not None and domain in inside[:1]


def _volume_group(domain: StorageDomain) -> Element:
    """One LUN; of iSCSI, with its target."""
    address = "storage.lab.example" if domain.storage_type == "iscsi" else None
    group_id = f"lab-{domain.id[:8]}"
    unit = struct(
        "logical_unit",
        leaf("address", address),
        leaf("discard_max_size", 0),
        leaf("discard_zeroes_data", False),
        leaf("lun_mapping", 1),
        leaf("paths", 0),
        leaf("port", 3260 if address else None),
        leaf("product_id", "LUN"),
        leaf("size", domain.capacity),
        leaf("storage_domain_id", domain.id),
        leaf("target", f"iqn.2026-11.example.lab:{domain.name}" if address else None),
        leaf("vendor_id", "LAB"),
        leaf("volume_group_id", group_id),
        attributes=(("id", f"3600{domain.id.replace('-', '')[:28]}"),),
    )
    return struct("volume_group", struct("logical_units", unit), attributes=(("id", group_id),))


def _keys(engine: Engine) -> Keys[StorageDomain]:
    def data_center(record: StorageDomain) -> list[str]:
        return [engine.data_centers[record.data_center_id].name] if record.data_center_id else []

    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "status": lambda record: ["active" if record.data_center_id else "unattached"],
        "type": lambda record: [record.type, record.storage_type],
        "datacenter": data_center,
        "datacenter.name": data_center,
    }


def list_all(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        domains = engine.storage_domains.values()
        return listing(call, "storage_domains", domains, lambda domain: render(engine, domain), _keys(engine))


def _domain(call: Call) -> StorageDomain:
    domain = call.engine.storage_domains.get(call.ids["domain"])
    if domain is None:
        raise gone()
    return domain


def show(call: Call) -> Reply:
    with call.engine.lock:
        disk_ids = [
            disk.id for disk in call.engine.disks.values() if disk.storage_domain_id == _domain(call).id
        ]
    for disk_id in disk_ids:
        call.engine.measure(disk_id)
    with call.engine.lock:
        return found(render(call.engine, _domain(call)))


def list_disks(call: Call) -> Reply:
    with call.engine.lock:
        domain = _domain(call)
        inside = [disk for disk in call.engine.disks.values() if disk.storage_domain_id == domain.id]
        return listing(call, "disks", inside, lambda disk: disks.render(call.engine, disk))


def _render_profile(domain: StorageDomain, path: str) -> Element:
    return entity(
        "disk_profile",
        f"{path}/{domain.disk_profile_id}",
        domain.disk_profile_id,
        reference("storage_domain", "storagedomains", domain.id),
        name=domain.name,
        links=("permissions",),
    )


def list_disk_profiles(call: Call) -> Reply:
    with call.engine.lock:
        domain = _domain(call)
        return collection(
            "disk_profiles", [_render_profile(domain, f"storagedomains/{domain.id}/diskprofiles")]
        )


def list_all_disk_profiles(call: Call) -> Reply:
    with call.engine.lock:
        domains = [domain for domain in call.engine.storage_domains.values() if domain.data_center_id]
        return collection("disk_profiles", [_render_profile(domain, "diskprofiles") for domain in domains])


def _frozen_images(engine: Engine) -> Iterator[tuple[Disk, SnapshotDisk, Snapshot]]:
    for vm in engine.vms.values():
        for snapshot in vm.snapshots.values():
            for entry in snapshot.disks:
                if entry.disk_id in engine.disks:
                    yield engine.disks[entry.disk_id], entry, snapshot


def _render_disk_snapshot(disk: Disk, entry: SnapshotDisk, snapshot: Snapshot) -> Element:
    """Its id is that of the frozen image, by which it is downloaded."""
    domain_id = disk.storage_domain_id
    return entity(
        "disk_snapshot",
        f"storagedomains/{domain_id}/disksnapshots/{entry.image_id}",
        entry.image_id,
        leaf("active", False),
        leaf("alias", entry.alias),
        leaf("content_type", disk.content_type),
        leaf("format", entry.format),
        leaf("image_id", entry.image_id),
        leaf("provisioned_size", entry.provisioned_size),
        leaf("sparse", disk.sparse),
        leaf("status", disk.status),
        leaf("storage_type", "image"),
        reference("disk", "disks", disk.id),
        struct("snapshot", attributes=(("id", snapshot.id),)),
        struct("storage_domains", reference("storage_domain", "storagedomains", domain_id)),
        name=entry.alias,
        description=snapshot.description,
    )


def list_disk_snapshots(call: Call) -> Reply:
    with call.engine.lock:
        domain = _domain(call)
        inside = [one for one in _frozen_images(call.engine) if one[0].storage_domain_id == domain.id]
        return collection("disk_snapshots", [_render_disk_snapshot(*one) for one in inside])


def list_snapshots_of_disk(call: Call) -> Reply:
    with call.engine.lock:
        disk = call.engine.disk(call.ids["disk"])
        of_disk = [one for one in _frozen_images(call.engine) if one[0] is disk]
        return collection("disk_snapshots", [_render_disk_snapshot(*one) for one in of_disk])


def show_disk_snapshot(call: Call) -> Reply:
    with call.engine.lock:
        _domain(call)
        for one in _frozen_images(call.engine):
            if one[1].image_id == call.ids["image"]:
                return found(_render_disk_snapshot(*one))
    raise gone()


def show_disk_profile(call: Call) -> Reply:
    """Below its domain, or alone."""
    with call.engine.lock:
        for domain in call.engine.storage_domains.values():
            if domain.disk_profile_id == call.ids["profile"]:
                return found(_render_profile(domain, call.path.rpartition("/")[0]))
    raise gone()


def show_disk(call: Call) -> Reply:
    with call.engine.lock:
        disk = call.engine.disk(call.ids["disk"])
        if disk.storage_domain_id != _domain(call).id:
            raise gone()
        return found(disks.render(call.engine, disk, alone=True))


ROUTES = [
    get("storagedomains", list_all),
    get("storagedomains/{domain}", show),
    get("storagedomains/{domain}/disks", list_disks),
    get("storagedomains/{domain}/disksnapshots", list_disk_snapshots),
    get("storagedomains/{domain}/disksnapshots/{image}", show_disk_snapshot),
    get("disks/{disk}/disksnapshots", list_snapshots_of_disk),
    get("storagedomains/{domain}/diskprofiles", list_disk_profiles),
    get("storagedomains/{domain}/permissions", permissions),
    get("storagedomains/{domain}/templates", empty_list("templates")),
    get("storagedomains/{domain}/vms", empty_list("vms")),
    get("storagedomains/{domain}/disks/{disk}", show_disk),
    get("storagedomains/{domain}/diskprofiles/{profile}", show_disk_profile),
    get("diskprofiles", list_all_disk_profiles),
    get("diskprofiles/{profile}", show_disk_profile),
    get("diskprofiles/{profile}/permissions", permissions),
]
