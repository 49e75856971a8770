"""Floating addresses of a migrated VM: those of its source, or one from a pool."""

import ipaddress
from collections.abc import Sequence
from functools import partial
from typing import Any

from coriolis.errors import CloudError, Conflict, NotFound, PermissionRefused
from coriolis.model.enums import EventLevel, ResourceKind
from coriolis.model.instance import Instance
from coriolis.providers.base import Operation
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.destination.options import DestinationEnvironment
from coriolis.providers.openstack.resources import Resources
from coriolis.providers.openstack.workers import FloatingIpPool


class FloatingAddresses:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._resources = Resources(client)

    def ensure(
        self,
        op: Operation,
        environment: DestinationEnvironment,
        pool: FloatingIpPool | None,
        instance: Instance,
        port_ids: Sequence[str],
    ) -> None:
        """Leads the addresses to the ports, which are in the order of the NICs. An address that cannot be preserved
        is told in an event and does not end the deployment: where it may be had is for the cloud's policy to say."""
        served: set[str] = set()
        if environment.preserve_floating_ip:
            for number, (nic, port_id) in enumerate(zip(instance.nics, port_ids, strict=True)):
                for address in nic.floating_ips[:1]:  # a fixed address has one at most
                    if self._preserve(op, _name(op, number), address, port_id, pool):
                        served.add(port_id)
        if environment.use_floating_ip and pool is not None and port_ids and port_ids[0] not in served:
            attributes = {**pool.attributes(), "port_id": port_ids[0]}
            self._resources.ensure_floating_ip(op, _name(op, 0), attributes)

    def delete(self, op: Operation, nics: int) -> None:
        """Those that were made. Others lose their port with the port."""
        for number in range(nics):
            self._resources.delete_floating_ip(op, _name(op, number))

    def keep(self, op: Operation, instance: Instance) -> None:
        for number in range(len(instance.nics)):
            if op.ledger.find(ResourceKind.FLOATING_IP, _name(op, number)) is not None:
                reason = f"address of deployed server {instance.name}"
                op.ledger.keep(ResourceKind.FLOATING_IP, _name(op, number), reason)

    def _preserve(
        self, op: Operation, name: str, address: str, port_id: str, pool: FloatingIpPool | None
    ) -> bool:
        """One that the project has already, else one that is asked for by its address."""
        network = self._client.network
        listing = partial(network.ips, floating_ip_address=address)
        held = next(iter(self._client.rows(f"look for floating IP {address}", listing)), None)
        ours = held is not None and held.description == name  # of an earlier attempt, and in the ledger
        if held is not None and not ours:
            if held.port_id not in {None, port_id}:
                raise Conflict(
                    message=f"{self._client.cloud}: floating IP {address} is in use by port {held.port_id}."
                )
            ip_id = held.id
            self._client.call(
                f"lead floating IP {address} to the server", lambda: network.update_ip(ip_id, port_id=port_id)
            )
            return True
        outside = pool or self._pool_of(address)
        if outside is None:
            return self._given_up(op, address, "no external network holds it")
        attributes = {
            "floating_network_id": outside.network_id,
            "floating_ip_address": address,
            "port_id": port_id,
        }
        try:
            self._resources.ensure_floating_ip(op, name, attributes)
        except (PermissionRefused, Conflict, NotFound) as error:
            return self._refused(op, name, address, error.message)
        except CloudError as error:
            if error.retryable:
                raise
            return self._refused(op, name, address, error.message)
        return True

    def _refused(self, op: Operation, name: str, address: str, reason: str) -> bool:
        self._resources.delete_floating_ip(op, name)  # nothing was made: only the row goes
        return self._given_up(op, address, reason)

    @staticmethod
    def _given_up(op: Operation, address: str, reason: str) -> bool:
        op.event(EventLevel.WARNING, f"Floating IP {address} is not preserved: {reason}")
        return False

    def _pool_of(self, address: str) -> FloatingIpPool | None:
        network = self._client.network
        outside = self._client.rows(
            "list external networks", lambda: network.networks(is_router_external=True)
        )
        for external in outside:
            listing = partial(network.subnets, network_id=external.id)
            subnets: list[Any] = self._client.rows(f"list subnets of network {external.name!r}", listing)
            wanted = ipaddress.ip_address(address)
            if any(wanted in ipaddress.ip_network(subnet.cidr) for subnet in subnets):
                return FloatingIpPool(external.id)
        return None


def _name(op: Operation, number: int) -> str:
    return op.name("address", str(number))
