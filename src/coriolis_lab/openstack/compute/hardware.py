"""From a server's flavor, ports, volumes and image properties to a VM.

hw_disk_bus, hw_scsi_model, hw_vif_model, hw_machine_type and hw_firmware_type are those of the image or,
booted from a volume, of the boot volume's image metadata; as in Nova they hold for every disk and NIC of
the server.
"""

from coriolis_lab.hypervisor.api import Bus, Machine, VmDisk, VmNic, VmSpec
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute import configdrive
from coriolis_lab.openstack.records import Port, Server

_BUSES = {"virtio": Bus.VIRTIO, "sata": Bus.SATA, "ide": Bus.IDE}
_NIC_MODELS = {
    "virtio": "virtio-net-pci",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "rtl8139": "rtl8139",
    "vmxnet3": "vmxnet3",
}


def vm_spec(cloud: Cloud, server: Server, *, with_nics: bool = True) -> VmSpec:
    """Call it under the lock."""
    bus = disk_bus(server)
    attached = [VmDisk(a.volume_id, disk_bus(server, a.disk_bus), a.boot_index) for a in server.attachments]
    boot = [VmDisk(server.root_disk, bus, 0)] if server.root_disk else attached[:1]
    local = [VmDisk(disk_id, bus) for disk_id in server.local_disks]
    disks = [*boot, *local, *(disk for disk in attached if disk not in boot)]
    machine = server.image_properties.get("hw_machine_type", "pc")
    return VmSpec(
        id=server.id,
        name=server.name,
        memory_mb=server.flavor.ram_mb,
        cpus=server.flavor.vcpus,
        disks=tuple(disks),
        nics=tuple(vm_nic(cloud, server, port) for port in cloud.server_ports(server)) if with_nics else (),
        machine=Machine.Q35 if "q35" in machine else Machine.PC,
        uefi=server.image_properties.get("hw_firmware_type") == "uefi",
        config_drive=configdrive.files(cloud, server),
    )


def disk_bus(server: Server, of_device: str | None = None) -> Bus:
    """`of_device`: what its block device mapping says, which goes before the image's."""
    wanted = of_device or server.image_properties.get("hw_disk_bus", "virtio")
    if wanted == "scsi":
        pvscsi = server.image_properties.get("hw_scsi_model") == "vmpvscsi"
        return Bus.PVSCSI if pvscsi else Bus.VIRTIO_SCSI
    return _BUSES.get(wanted, Bus.VIRTIO)


def device_name(server: Server) -> str:
    """The next free one: /dev/vdb, or /dev/sdb on the buses whose disks the guest calls so. Local disks come first,
    but for those that a flavor adds to a server that boots from a volume."""
    prefix = "vd" if disk_bus(server) is Bus.VIRTIO else "sd"
    taken = {attachment.device for attachment in server.attachments}
    letters = "abcdefghijklmnopqrstuvwxyz"
    local = sum(size > 0 for size in (server.flavor.ephemeral_gb, server.flavor.swap_mb))
    first = 0 if server.image_id else 1
    taken |= {f"/dev/{prefix}{letters[n]}" for n in range(first, local + 1)}
    return next(name for letter in letters if (name := f"/dev/{prefix}{letter}") not in taken)


def vm_nic(cloud: Cloud, server: Server, port: Port) -> VmNic:
    fixed = port.fixed_ips[0]
    model = server.image_properties.get("hw_vif_model", "virtio")
    return VmNic(
        mac=port.mac,
        network=cloud.subnets[fixed.subnet_id].cidr,
        address=fixed.address,
        model=_NIC_MODELS.get(model, "virtio-net-pci"),
    )
