"""VMs of an engine, as instances."""

from collections.abc import Mapping, Sequence
from typing import Any

from ovirtsdk4 import types

from coriolis.errors import InstanceAmbiguous, InstanceNotFound
from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Disk, Instance, InstanceSummary, Network, Nic
from coriolis.providers.ovirt.client import OvirtClient
from coriolis.providers.ovirt.inventory import Inventory

MIB = 1 << 20
_UEFI = (types.BiosType.Q35_OVMF, types.BiosType.Q35_SECURE_BOOT)


class Instances:
    """For one call: clusters, networks and so on are read once."""

    def __init__(self, client: OvirtClient) -> None:
        self._client = client
        self._inventory = Inventory(client)

    def page(self, marker: str | None, limit: int | None, name: str | None) -> list[InstanceSummary]:
        """The engine cannot go on from an id: its whole list is read, of which this is a part."""
        bios = self._bios_of_clusters()
        wanted = (name or "").lower()
        listed = sorted(
            (vm for vm in self._vms() if wanted in vm.name.lower() and (marker is None or vm.id > marker)),
            key=lambda vm: str(vm.id),
        )
        return [
            InstanceSummary(
                vm.id, vm.name, _cpus(vm), vm.memory // MIB, _os_type(vm), _firmware(_bios(vm, bios))
            )
            for vm in listed[:limit]
        ]

    def instance(self, name_or_id: str) -> Instance:
        """Raises InstanceNotFound, and InstanceAmbiguous for a name that VMs of several data centres have."""
        vms = self._vms()
        found = [vm for vm in vms if vm.id == name_or_id] or [vm for vm in vms if vm.name == name_or_id]
        if not found:
            raise InstanceNotFound(name=name_or_id, endpoint=self._client.endpoint_name)
        if len(found) > 1:
            ids = ", ".join(vm.id for vm in found)
            endpoint = self._client.endpoint_name
            raise InstanceAmbiguous(name=name_or_id, endpoint=endpoint, count=len(found), ids=ids)
        (vm,) = found
        bios = _bios(vm, self._bios_of_clusters())
        return Instance(
            id=vm.id,
            name=vm.name,
            num_cpu=_cpus(vm),
            memory_mb=vm.memory // MIB,
            os_type=_os_type(vm),
            firmware=_firmware(bios),
            disks=tuple(self._disks(vm.id)),
            nics=tuple(self._nics(vm.id)),
            secure_boot=bios == types.BiosType.Q35_SECURE_BOOT,
            tpm=bool(vm.tpm_enabled),
            running=vm.status != types.VmStatus.DOWN,
        )

    def networks(self) -> list[Network]:
        found = self._client.call("list networks", self._client.system.networks_service().list)
        ours = [n for n in found if not n.usages or types.NetworkUsage.VM in n.usages]
        return sorted((Network(n.id, n.name) for n in ours), key=lambda network: (network.name, network.id))

    def attachments(self, vm_id: str) -> Sequence[Any]:
        """With their disks, the one that the VM boots from first."""
        service = self._client.system.vms_service().vm_service(vm_id).disk_attachments_service()
        found = self._client.call(f"list disks of VM {vm_id}", lambda: service.list(follow="disk"))
        return sorted(found, key=lambda a: (not a.bootable, a.disk.name or "", a.disk.id))

    def _disks(self, vm_id: str) -> list[Disk]:
        names = {domain.id: domain.name for domain in self._inventory.all_domains()}
        return [
            Disk(
                id=attachment.disk.id,
                size_bytes=attachment.disk.provisioned_size or 0,
                unit_number=number,
                bootable=bool(attachment.bootable),
                format="raw",
                storage_backend=next(
                    (names.get(place.id) for place in attachment.disk.storage_domains or ()), None
                ),
            )
            for number, attachment in enumerate(self.attachments(vm_id))
        ]

    def _nics(self, vm_id: str) -> list[Nic]:
        service = self._client.system.vms_service().vm_service(vm_id)
        nics = self._client.call(f"list NICs of VM {vm_id}", service.nics_service().list)
        devices = self._client.call(f"list devices of VM {vm_id}", service.reported_devices_service().list)
        addresses = _addresses(devices)
        profiles = {p.id: p.network.id for p in self._inventory.vnic_profiles() if p.network is not None}
        networks = {network.id: network.name for network in self.networks()}
        found = []
        for nic in sorted(nics, key=lambda nic: str(nic.name)):
            network = profiles.get(nic.vnic_profile.id) if nic.vnic_profile is not None else None
            mac = nic.mac.address.lower() if nic.mac is not None and nic.mac.address else None
            found.append(
                Nic(networks.get(network or "", ""), mac, nic.id, network, addresses.get(mac or "", ()))
            )
        return found

    def _vms(self) -> list[Any]:
        return list(self._client.call("list VMs", self._client.system.vms_service().list))

    def _bios_of_clusters(self) -> dict[str, Any]:
        return {cluster.id: cluster.bios_type for cluster in self._inventory.clusters()}


def _addresses(devices: Sequence[Any]) -> Mapping[str, tuple[str, ...]]:
    """By MAC; what the guest agent told."""
    return {
        device.mac.address.lower(): tuple(ip.address for ip in device.ips or () if ip.address)
        for device in devices
        if device.mac is not None and device.mac.address
    }


def _cpus(vm: Any) -> int:
    topology = vm.cpu.topology
    return int(topology.sockets * topology.cores * topology.threads)


def _os_type(vm: Any) -> OsType:
    """Of types such as windows_2019x64, debian_9, freebsdx64; `other` says nothing, and most guests are Linux."""
    named = (vm.os.type if vm.os is not None else None) or ""
    if named.startswith("windows"):
        return OsType.WINDOWS
    return OsType.BSD if named.startswith("freebsd") else OsType.LINUX


def _bios(vm: Any, by_cluster: Mapping[str, Any]) -> Any:
    found = vm.bios.type if vm.bios is not None else None
    if found in (None, types.BiosType.CLUSTER_DEFAULT):
        return by_cluster.get(vm.cluster.id)
    return found


def _firmware(bios: Any) -> Firmware:
    return Firmware.EFI if bios in _UEFI else Firmware.BIOS
