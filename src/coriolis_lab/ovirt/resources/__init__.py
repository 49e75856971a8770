"""The resources of the API, one module each."""

from collections.abc import Iterator

from coriolis_lab.ovirt.resources import (
    attachments,
    backups,
    clusters,
    consoles,
    data_centers,
    directory,
    disk_copies,
    disks,
    hosts,
    image_transfers,
    journal,
    networks,
    nics,
    operating_systems,
    policies,
    pools,
    reported_devices,
    root,
    snapshots,
    storage_domains,
    tags,
    templates,
    vm_actions,
    vm_creation,
    vms,
)
from coriolis_lab.ovirt.web import ApiRoute

_MODULES = (
    root,
    directory,
    policies,
    tags,
    data_centers,
    clusters,
    storage_domains,
    networks,
    hosts,
    operating_systems,
    templates,
    pools,
    disks,
    disk_copies,
    image_transfers,
    vms,
    vm_creation,
    vm_actions,
    attachments,
    nics,
    consoles,
    snapshots,
    backups,
    reported_devices,
    journal,
)


def all_routes() -> Iterator[ApiRoute]:
    for module in _MODULES:
        yield from module.ROUTES
