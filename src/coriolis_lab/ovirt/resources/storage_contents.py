"""What lies on a storage domain: disks, VMs, templates, snapshots' images; and its profile and connection."""

from collections.abc import Iterator
from dataclasses import dataclass

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import (
    FILE_STORAGE,
    MANAGED_BLOCK_STORAGE,
    Disk,
    Snapshot,
    SnapshotDisk,
    StorageDomain,
    Template,
    Vm,
)
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources import disks, templates, vms
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.resources.storage_domains import (
    ISCSI_PORT,
    domain_of,
    export_path,
    iscsi_target,
)
from coriolis_lab.ovirt.web import ApiRoute, Call, empty_list, get


def _disks(call: Call) -> list[Disk]:
    """`?unregistered=true`: those that the engine does not know yet, of which there are none."""
    domain = domain_of(call)
    if call.flag("unregistered"):
        return []
    return [disk for disk in call.engine.disks.values() if disk.storage_domain_id == domain.id]


def _render_disk(call: Call, disk: Disk) -> Element:
    return disks.render(call.engine, disk, alone="one" in call.ids)


def _vms(call: Call) -> list[Vm]:
    on_it = {disk.id for disk in _disks(call)}
    return [vm for vm in call.engine.vms.values() if on_it.intersection(vm.attachments)]


def _templates(call: Call) -> list[Template]:
    on_it = {disk.id for disk in _disks(call)}
    return [one for one in call.engine.templates.values() if on_it.intersection(one.attachments)]


@dataclass(frozen=True)
class FrozenImage:
    """A disk snapshot. Its id is that of the frozen image, by which it is downloaded."""

    disk: Disk
    entry: SnapshotDisk
    snapshot: Snapshot

    @property
    def id(self) -> str:
        return self.entry.image_id


def _frozen_images(engine: Engine) -> Iterator[FrozenImage]:
    for vm in engine.vms.values():
        for snapshot in vm.snapshots.values():
            for entry in snapshot.disks:
                if entry.disk_id in engine.disks:
                    yield FrozenImage(engine.disks[entry.disk_id], entry, snapshot)


def _images_on_domain(call: Call) -> list[FrozenImage]:
    domain = domain_of(call)
    return [one for one in _frozen_images(call.engine) if one.disk.storage_domain_id == domain.id]


def _images_of_disk(call: Call) -> list[FrozenImage]:
    disk = call.engine.disk(call.ids["disk"])
    return [one for one in _frozen_images(call.engine) if one.disk is disk]


def _render_image(_call: Call, one: FrozenImage) -> Element:
    disk, entry = one.disk, one.entry
    domain_id = disk.storage_domain_id
    return entity(
        "disk_snapshot",
        f"storagedomains/{domain_id}/disksnapshots/{one.id}",
        one.id,
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
        struct("snapshot", attributes=(("id", one.snapshot.id),)),
        struct("storage_domains", reference("storage_domain", "storagedomains", domain_id)),
        name=entry.alias,
        description=one.snapshot.description,
    )


@dataclass(frozen=True)
class DiskProfile:
    domain: StorageDomain

    @property
    def id(self) -> str:
        return self.domain.disk_profile_id


def _profiles(call: Call) -> list[DiskProfile]:
    """One of each domain that holds disks; below a domain its own."""
    with_disks = [
        one for one in call.engine.storage_domains.values() if one.type in ("data", MANAGED_BLOCK_STORAGE)
    ]
    return [DiskProfile(one) for one in with_disks if call.ids.get("domain") in (None, one.id)]


def _render_profile(_call: Call, profile: DiskProfile) -> Element:
    return entity(
        "disk_profile",
        f"diskprofiles/{profile.id}",
        profile.id,
        reference("storage_domain", "storagedomains", profile.domain.id),
        name=profile.domain.name,
        links=("permissions",),
    )


@dataclass(frozen=True)
class Connection:
    """The way from the hosts to a domain, with the domain's id."""

    domain: StorageDomain

    @property
    def id(self) -> str:
        return self.domain.id


def _connections(call: Call) -> list[Connection]:
    """Fibre Channel and managed block storage have none."""
    connected = (*FILE_STORAGE, "iscsi")
    domains = [one for one in call.engine.storage_domains.values() if one.storage_type in connected]
    return [Connection(one) for one in domains if call.ids.get("domain") in (None, one.id)]


def _render_connection(_call: Call, connection: Connection) -> Element:
    domain = connection.domain
    file_server = domain.storage_type in FILE_STORAGE
    return entity(
        "storage_connection",
        f"storageconnections/{connection.id}",
        connection.id,
        leaf("address", domain.address if domain.storage_type != "localfs" else None),
        leaf("nfs_version", "auto" if domain.storage_type == "nfs" else None),
        leaf("path", export_path(domain) if file_server else None),
        leaf("port", None if file_server else ISCSI_PORT),
        leaf("target", None if file_server else iscsi_target(domain)),
        leaf("type", domain.storage_type),
    )


def _of_attached(call: Call) -> list[Disk]:
    if domain_of(call).data_center_id != call.ids["data_center"]:
        raise gone()
    return _disks(call)


DOMAIN = "storagedomains/{domain}"
ROUTES: list[ApiRoute] = [
    *catalog(f"{DOMAIN}/disks", "disks", _disks, _render_disk),
    *catalog(f"datacenters/{{data_center}}/{DOMAIN}/disks", "disks", _of_attached, _render_disk),
    *catalog(f"{DOMAIN}/vms", "vms", _vms, lambda call, vm: vms.render(call.engine, vm)),
    *catalog(f"{DOMAIN}/templates", "templates", _templates, lambda _call, one: templates.render(one)),
    *catalog(f"{DOMAIN}/disksnapshots", "disk_snapshots", _images_on_domain, _render_image),
    *catalog("disks/{disk}/disksnapshots", "disk_snapshots", _images_of_disk, _render_image),
    *catalog(f"{DOMAIN}/diskprofiles", "disk_profiles", _profiles, _render_profile),
    *catalog("diskprofiles", "disk_profiles", _profiles, _render_profile),
    *catalog(f"{DOMAIN}/storageconnections", "storage_connections", _connections, _render_connection),
    *catalog("storageconnections", "storage_connections", _connections, _render_connection),
    get(f"{DOMAIN}/images", empty_list("images")),
    get(f"{DOMAIN}/files", empty_list("files")),
]
