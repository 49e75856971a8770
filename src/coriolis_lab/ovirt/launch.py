"""From a VM's record to what the hypervisor runs."""

from collections.abc import Mapping

from coriolis_lab.hypervisor.api import Bus, Machine, VmDisk, VmNic, VmSpec
from coriolis_lab.ovirt.cloud_init import config_drive
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.machine_settings import MEBIBYTE, UEFI_BIOS_TYPES, Initialization, MachineSettings
from coriolis_lab.ovirt.operating_systems import is_windows
from coriolis_lab.ovirt.records import Attachment, Nic, SnapshotAttachment, Vm

BUSES = {"virtio": Bus.VIRTIO, "virtio_scsi": Bus.VIRTIO_SCSI, "sata": Bus.SATA, "ide": Bus.IDE}
SHORT_SERIAL = 20
NIC_MODELS = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e", "rtl8139": "rtl8139"}


def vm_disk(engine: Engine, attachment: Attachment) -> VmDisk:
    """The serial in the guest is the disk's id, cut by old hosts; only a bootable disk is in the boot order."""
    boot_index = 0 if attachment.bootable else None
    serial = None if engine.look.full_serials else attachment.disk_id[:SHORT_SERIAL]
    return VmDisk(attachment.disk_id, BUSES[attachment.interface], boot_index, serial)


def snapshot_disk(engine: Engine, placed: SnapshotAttachment) -> VmDisk:
    """The layer over a frozen image, with the serial of the disk it is of."""
    disk = vm_disk(engine, placed.attachment)
    return VmDisk(placed.layer_id, disk.bus, None, disk.serial or placed.attachment.disk_id)


def is_connected(nic: Nic) -> bool:
    """A NIC without a vNIC profile hangs on no network."""
    return nic.plugged and nic.linked and nic.vnic_profile_id is not None


def vm_spec(
    engine: Engine,
    vm: Vm,
    settings: MachineSettings,
    addresses: Mapping[str, str],
    drive: Initialization | None,
) -> VmSpec:
    """`addresses`: MAC -> loopback address; `drive`: what the payload CD is to tell, None for no CD."""
    plugged = [attachment for attachment in vm.attachments.values() if attachment.active]
    plugged.sort(key=lambda attachment: not attachment.bootable)
    frozen = [one for one in vm.snapshot_attachments.values() if one.attachment.active]
    nics = [
        VmNic(
            mac=nic.mac,
            network=engine.network_of_profile(nic.vnic_profile_id).cidr,
            address=nic.address,
            model=NIC_MODELS[nic.interface],
            ssh_address=addresses.get(nic.mac),
        )
        for nic in vm.nics.values()
        if is_connected(nic) and nic.vnic_profile_id is not None
    ]
    return VmSpec(
        id=vm.id,
        name=vm.name,
        memory_mb=settings.memory // MEBIBYTE,
        cpus=settings.cpus,
        disks=(
            *(vm_disk(engine, attachment) for attachment in plugged),
            *(snapshot_disk(engine, one) for one in frozen),
        ),
        nics=tuple(nics),
        machine=Machine.PC if settings.bios_type == "i440fx_sea_bios" else Machine.Q35,
        uefi=settings.bios_type in UEFI_BIOS_TYPES,
        config_drive=config_drive(vm.name, drive) if drive else None,
    )


def payload(vm: Vm, use_cloud_init: bool, once: Initialization | None) -> Initialization | None:
    """What cloud-init gets in this run. Windows gets none: there the engine uses sysprep."""
    if is_windows(vm.settings.os_type):
        return None
    if use_cloud_init:
        return once or vm.initialization or Initialization()
    if not vm.started_before:
        return vm.initialization
    return None
