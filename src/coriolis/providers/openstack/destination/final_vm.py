"""The server that a deployment leaves."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from coriolis.errors import PermissionRefused
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Instance
from coriolis.model.replica import ClonedDisk, DeployedInstance, DetectedOs
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import run_all
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.boot_volume import image_properties
from coriolis.providers.openstack.destination.floating_addresses import FloatingAddresses
from coriolis.providers.openstack.destination.nics import PlannedPort, plan_ports
from coriolis.providers.openstack.destination.options import DestinationEnvironment
from coriolis.providers.openstack.destination.placement import Placement
from coriolis.providers.openstack.resources import Resources
from coriolis.providers.openstack.servers import Servers

_MARK = "coriolis_deployment"
"""Metadata key of the server: Nova lets any number of servers have the same name, and compensation must never take
a user's own."""


class FinalVm:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._resources = Resources(client)
        self._servers = Servers(client)
        self._addresses = FloatingAddresses(client)

    def create(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        *,
        disks: Sequence[ClonedDisk],
        detected: DetectedOs | None,
    ) -> DeployedInstance:
        find = partial(self._marked, op, instance)
        if not self._resources.server_ids(op, _row_name(op), find):
            self._prepare_boot_volume(disks[0], image_properties(environment, instance, detected))
            self._explain_flavor(op, where)
        op.progress(f"Creating server {instance.name}")
        server_id = self._create_server(op, environment, where, instance, disks)
        self._servers.wait_active(op, server_id, f"boot server {instance.name}")
        op.reached()
        self._finish(environment, server_id, disks)
        self._keep(op, instance, disks)
        return DeployedInstance(server_id, instance.name, self._reachable_at(server_id), powered_on=True)

    def delete(self, op: Operation, instance: Instance) -> None:
        """Its volumes stay, and so does a port or floating address that was there before."""
        self._resources.delete_server(op, _row_name(op), partial(self._marked, op, instance))
        numbers = range(len(instance.nics))
        run_all(
            [
                partial(self._addresses.delete, op, len(instance.nics)),
                *(partial(self._resources.delete_port, op, _port_name(op, number)) for number in numbers),
            ]
        )

    def owned_volumes(self, op: Operation) -> set[str]:
        """Ids of the volumes that a server of this job has; they are no temporary copies any more."""
        row = op.ledger.find(ResourceKind.SERVER, _row_name(op))
        server = self._servers.get(row.cloud_id) if row is not None and row.cloud_id else None
        return {str(entry["id"]) for entry in server.attached_volumes or ()} if server is not None else set()

    def _prepare_boot_volume(self, disk: ClonedDisk, properties: Mapping[str, str]) -> None:
        """A volume that was not made from an image is none that Nova boots from, until it is told so."""
        storage = self._client.storage
        self._client.call(
            f"make volume {disk.volume_name} bootable",
            lambda: storage.set_volume_bootable_status(disk.volume_id, True),
        )
        if properties:
            self._client.call(
                f"set the image properties of volume {disk.volume_name}",
                lambda: storage.set_volume_image_metadata(disk.volume_id, **properties),
            )

    @staticmethod
    def _explain_flavor(op: Operation, where: Placement) -> None:
        op.event(EventLevel.INFO, where.flavor.reason)
        if where.flavor.lacks:
            op.event(
                EventLevel.WARNING,
                f"Flavor {where.flavor.name} has only {where.flavor.lacks} that the instance has on its source.",
            )

    def _create_server(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        where: Placement,
        instance: Instance,
        disks: Sequence[ClonedDisk],
    ) -> str:
        find = partial(self._marked, op, instance)
        attributes: dict[str, Any] = {}
        if not self._resources.server_ids(op, _row_name(op), find):
            ours = {_port_name(op, number) for number in range(len(instance.nics))}
            planned = plan_ports(self._client, environment, instance, where, ours)
            ports = self._ensure_ports(op, planned, instance)
            self._addresses.ensure(op, environment, where.pool, instance, ports)
            attributes = _attributes(environment, where, instance, disks, ports)
            attributes["metadata"] = {**environment.instance_metadata, _MARK: _row_name(op)}
        return self._resources.ensure_server(op, _row_name(op), attributes, find)

    def _ensure_ports(self, op: Operation, planned: Sequence[PlannedPort], instance: Instance) -> list[str]:
        ids = []
        for number, port in enumerate(planned):
            if port.existing_id is not None:
                op.event(
                    EventLevel.INFO, f"Port {port.existing_id} with MAC {port.nic.mac_address} is reused."
                )
                ids.append(port.existing_id)
                continue
            description = f"NIC {number + 1} of {instance.name}"[:255]
            attributes = {"description": description, **port.attributes}
            try:
                ids.append(self._resources.ensure_port(op, _port_name(op, number), attributes))
            except PermissionRefused as error:
                raise _advised(error, port) from error
        return ids

    def _finish(
        self, environment: DestinationEnvironment, server_id: str, disks: Sequence[ClonedDisk]
    ) -> None:
        """What must not come earlier: until the server is up it may have to be compensated without its disks."""
        compute = self._client.compute
        if environment.instance_tags:
            server = self._client.call(f"read server {server_id}", lambda: compute.get_server(server_id))
            tags = list(dict.fromkeys(environment.instance_tags))
            self._client.call(f"tag server {server_id}", lambda: server.set_tags(compute, tags))
        if environment.delete_disks_on_vm_termination:
            for disk in disks:
                update = partial(compute.update_volume_attachment, server_id, disk.volume_id)
                self._client.call(
                    f"have volume {disk.volume_name} deleted with its server",
                    partial(update, delete_on_termination=True),
                )

    def _keep(self, op: Operation, instance: Instance, disks: Sequence[ClonedDisk]) -> None:
        for disk in disks:
            op.ledger.keep(ResourceKind.VOLUME, disk.volume_name, f"disk of deployed server {instance.name}")
        for number in range(len(instance.nics)):
            if op.ledger.find(ResourceKind.PORT, _port_name(op, number)) is not None:
                reason = f"NIC {number + 1} of deployed server {instance.name}"
                op.ledger.keep(ResourceKind.PORT, _port_name(op, number), reason)
        self._addresses.keep(op, instance)
        op.ledger.keep(ResourceKind.SERVER, _row_name(op), f"server deployed from instance {instance.name}")

    def _reachable_at(self, server_id: str) -> tuple[str, ...]:
        """Floating addresses first: from outside the project's networks only these lead to the server."""
        server = self._servers.get(server_id)
        entries = [e for found in (server.addresses or {}).values() for e in found] if server else []
        entries.sort(key=lambda e: (e.get("OS-EXT-IPS:type") != "floating", e.get("version", 4)))
        return tuple(str(entry["addr"]) for entry in entries)

    def _marked(self, op: Operation, instance: Instance) -> list[str]:
        compute = self._client.compute
        pattern = f"^{re.escape(instance.name)}$"  # Nova filters names by regular expression
        listed = self._client.rows("list servers", lambda: compute.servers(details=True, name=pattern))
        return [s.id for s in listed if (s.metadata or {}).get(_MARK) == _row_name(op)]


def _attributes(
    environment: DestinationEnvironment,
    where: Placement,
    instance: Instance,
    disks: Sequence[ClonedDisk],
    port_ids: Sequence[str],
) -> dict[str, Any]:
    """openstacksdk's, of the server."""
    attributes: dict[str, Any] = {
        "name": instance.name,
        "flavor_id": where.flavor.id,
        "networks": [{"port": port_id} for port_id in port_ids] or "none",
        "block_device_mapping": [_device(environment, n, disk) for n, disk in enumerate(disks)],
    }
    if environment.keypair_name:
        attributes["key_name"] = environment.keypair_name
    if environment.use_config_drive:
        attributes["config_drive"] = True
    if environment.availability_zone:
        attributes["availability_zone"] = environment.availability_zone
    if where.server_group_id:
        attributes["scheduler_hints"] = {"group": where.server_group_id}
    return attributes


def _device(environment: DestinationEnvironment, number: int, disk: ClonedDisk) -> dict[str, Any]:
    bus = {"disk_bus": environment.disk_bus} if environment.disk_bus else {}
    return {
        "boot_index": number,
        "uuid": disk.volume_id,
        "source_type": "volume",
        "destination_type": "volume",
        "delete_on_termination": False,  # set last, see `_finish`
        **bus,
    }


def _advised(error: PermissionRefused, port: PlannedPort) -> PermissionRefused:
    """By Neutron's default policy addresses are for the owner of a network to choose, and only the call tells."""
    advice = []
    if "mac_address" in port.attributes:
        advice.append("set port_reuse_policy to replace_mac")
    if "fixed_ips" in port.attributes:
        advice.append("unset preserve_fixed_ips")
    if not advice:
        return error
    reason = (
        f"{error.fields['reason']}. On network {port.network_name!r} this project may not choose addresses: "
        f"{' and '.join(advice)}, or have the network's owner make the ports and set reuse_ports."
    )
    return PermissionRefused(cloud=error.fields["cloud"], action=error.fields["action"], reason=reason)


def _row_name(op: Operation) -> str:
    """In the ledger: not the server's own name, which other servers may have too."""
    return op.name("vm")


def _port_name(op: Operation, number: int) -> str:
    return op.name("port", str(number))
