"""What can be known to fail before an export begins."""

from typing import Any

from ovirtsdk4 import types

from coriolis.errors import Conflict, InvalidInput
from coriolis.model.instance import Instance
from coriolis.preflight.disk_sizes import check_disk_sizes
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.source.instances import Instances

OLDEST = (4, 4)
"""Whose backups are no preview any more."""
_RESTING = (types.VmStatus.UP, types.VmStatus.DOWN)


def check_export(client: OvirtClient, instance: Instance) -> None:
    """Raises InvalidInput for what can never be exported, Conflict for what can later."""
    check_disk_sizes(instance)
    _check_version(client)
    vm = client.call(f"read VM {instance.name}", client.system.vms_service().vm_service(instance.id).get)
    if vm.status not in _RESTING:
        raise Conflict(
            message=f"{client.cloud}: VM {instance.name!r} is {vm.status}; a backup needs it up or down."
        )
    for attachment in Instances(client).attachments(instance.id):
        _check_disk(client, instance, attachment)


def _check_version(client: OvirtClient) -> None:
    version = client.call("read the engine's version", client.system.get).product_info.version
    if (version.major, version.minor) < OLDEST:
        raise InvalidInput(
            message=f"{client.cloud} is of version {version.major}.{version.minor}: its VMs can be exported from "
            f"{OLDEST[0]}.{OLDEST[1]} on."
        )


def _check_disk(client: OvirtClient, instance: Instance, attachment: Any) -> None:
    disk = attachment.disk
    name = f"{client.cloud}: disk {disk.name!r} of VM {instance.name!r}"
    if disk.storage_type not in (None, types.DiskStorageType.IMAGE):
        raise InvalidInput(
            message=f"{name} is on {disk.storage_type} storage, of which there are no backups."
        )
    if not attachment.active:
        raise InvalidInput(message=f"{name} is not active, and would be in no backup: activate or detach it.")
    if disk.status != types.DiskStatus.OK:
        raise Conflict(message=f"{name} is {disk.status}.")
