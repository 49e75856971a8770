"""Clusters, storage domains, networks, templates: found by name or id, exactly one hit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import InvalidInput
from coriolis.model.instance import Network
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.options import BLANK_TEMPLATE

_USABLE_DOMAINS = (types.StorageDomainType.DATA, types.StorageDomainType.MANAGED_BLOCK_STORAGE)
_BLOCK_STORAGE = (types.StorageType.ISCSI, types.StorageType.FCP)


@dataclass(frozen=True, slots=True)
class Domain:
    """A storage domain. `block`: iSCSI or FC, where thin means qcow2. `available` bytes, None if not told."""

    id: str
    name: str
    block: bool
    managed: bool
    active: bool
    available: int | None


class Inventory:
    def __init__(self, client: OvirtClient) -> None:
        self._client = client

    def cluster(self, name_or_id: str) -> Any:
        return self._one("cluster", name_or_id, self.clusters())

    def clusters(self) -> list[Any]:
        return self._list("clusters", self._client.system.clusters_service().list)

    def template(self, name_or_id: str) -> Any:
        """Raises InvalidInput also while the template is locked or illegal: no VM can be made of it."""
        found = self._one("template", name_or_id, self.templates())
        if found.status not in (None, types.TemplateStatus.OK):
            raise InvalidInput(
                message=f"{self._client.cloud}: template {name_or_id!r} is {found.status}, not ok."
            )
        return found

    def templates(self) -> list[Any]:
        return self._list("templates", self._client.system.templates_service().list)

    def blank_template(self, name_or_id: str) -> Any:
        """Raises InvalidInput for one with disks: they would stand in a migrated VM beside its own."""
        found = self.template(name_or_id)
        if found.id != BLANK_TEMPLATE and self.template_disks(found):
            raise InvalidInput(
                message=f"{self._client.cloud}: template {name_or_id!r} has disks; migr_blank_template needs one "
                "without."
            )
        return found

    def template_disks(self, template: Any) -> list[Any]:
        """With their formats and the storage domains that hold a copy."""
        service = self._client.system.templates_service().template_service(template.id)
        listing = service.disk_attachments_service().list
        attachments = self._list("disks of the template", lambda: listing(follow="disk"))
        return [attachment.disk for attachment in attachments]

    def vm_pool(self, cluster: Any, name_or_id: str) -> Any:
        """Raises InvalidInput for one of another cluster: a pool's VMs are all in its own."""
        found = self._one("VM pool", name_or_id, self.vm_pools())
        if found.cluster is not None and found.cluster.id != cluster.id:
            raise InvalidInput(
                message=f"{self._client.cloud}: VM pool {found.name!r} is not in cluster {cluster.name!r}."
            )
        return found

    def vm_pools(self) -> list[Any]:
        return self._list("VM pools", self._client.system.vm_pools_service().list)

    def operating_systems(self) -> dict[str, Any]:
        """Name, e.g. debian_9, to types.TpmSupport; None from engines that know no TPM."""
        listing = self._client.system.operating_systems_service().list
        return {system.name: system.tpm_support for system in self._list("operating systems", listing)}

    def domain(self, cluster: Any, name_or_id: str) -> Domain:
        """A usable data domain of the cluster's data centre. Raises InvalidInput for any other."""
        listed = self._domains(cluster)
        found = self._one("storage domain", name_or_id, listed)
        if found.type not in _USABLE_DOMAINS:
            raise InvalidInput(
                message=f"{self._client.cloud}: storage domain {found.name!r} is of type {found.type}; "
                "only data and managed block storage domains hold disks."
            )
        if found.status != types.StorageDomainStatus.ACTIVE:
            raise InvalidInput(
                message=f"{self._client.cloud}: storage domain {found.name!r} is {found.status}, not active."
            )
        return _domain(found)

    def domains(self, cluster: Any) -> list[Domain]:
        return [_domain(found) for found in self._domains(cluster) if found.type in _USABLE_DOMAINS]

    def all_domains(self) -> list[Any]:
        """Of all data centres, also those that are no place for disks."""
        return self._list("storage domains", self._client.system.storage_domains_service().list)

    def networks(self, cluster: Any) -> list[Any]:
        """The VM networks of the cluster; names repeat across data centres, not within a cluster."""
        service = self._client.system.clusters_service().cluster_service(cluster.id).networks_service()
        listed = self._list("networks of the cluster", service.list)
        return [n for n in listed if not n.usages or types.NetworkUsage.VM in n.usages]

    def network_pairs(self, cluster: Any) -> list[Network]:
        return sorted((Network(n.id, n.name) for n in self.networks(cluster)), key=lambda n: n.name)

    def vnic_profile(self, cluster: Any, network_name_or_id: str) -> str:
        """Id of the profile a NIC takes to be on the network: the one named like it, else the first by name.

        Raises InvalidInput when the cluster lacks the network or the network has no profile.
        """
        network = self._one("VM network", network_name_or_id, self.networks(cluster))
        profiles = [p for p in self.vnic_profiles() if p.network is not None and p.network.id == network.id]
        if not profiles:
            raise InvalidInput(
                message=f"{self._client.cloud}: network {network.name!r} has no vNIC profile for a VM."
            )
        return str(min(profiles, key=lambda p: (p.name != network.name, p.name)).id)

    def any_vnic_profile(self, cluster: Any) -> str | None:
        """Of the first network that has one; for a worker whose template brings no NIC."""
        networks = {network.id for network in self.networks(cluster)}
        for profile in self.vnic_profiles():
            if profile.network is not None and profile.network.id in networks:
                return str(profile.id)
        return None

    def named_vnic_profile(self, cluster: Any, name_or_id: str) -> str:
        """Id of a profile of one of the cluster's networks; names repeat across networks and data centres."""
        networks = {network.id for network in self.networks(cluster)}
        there = [p for p in self.vnic_profiles() if p.network is not None and p.network.id in networks]
        return str(self._one("vNIC profile", name_or_id, there).id)

    def vnic_profiles(self) -> list[Any]:
        return self._list("vNIC profiles", self._client.system.vnic_profiles_service().list)

    def _domains(self, cluster: Any) -> list[Any]:
        """Through the data centre: only there the engine tells the status of attached domains."""
        centres = self._client.system.data_centers_service()
        service = centres.data_center_service(cluster.data_center.id).storage_domains_service()
        return self._list("storage domains", service.list)

    def _list(self, what: str, listing: Callable[[], Iterable[Any]]) -> list[Any]:
        return list(self._client.call(f"list {what}", listing))

    def _one(self, kind: str, name_or_id: str, listed: Iterable[Any]) -> Any:
        items = list(listed)
        found = [item for item in items if item.id == name_or_id]
        found = found or [item for item in items if item.name == name_or_id]
        if not found:
            raise InvalidInput(message=f"{self._client.cloud} has no {kind} {name_or_id!r}.")
        if len(found) > 1:
            raise InvalidInput(
                message=f"{self._client.cloud}: {len(found)} {kind}s are named {name_or_id!r}: give the id."
            )
        return found[0]


def _domain(found: Any) -> Domain:
    storage = found.storage.type if found.storage is not None else None
    return Domain(
        id=found.id,
        name=found.name,
        block=storage in _BLOCK_STORAGE,
        managed=found.type == types.StorageDomainType.MANAGED_BLOCK_STORAGE,
        active=found.status == types.StorageDomainStatus.ACTIVE,
        available=found.available,
    )
