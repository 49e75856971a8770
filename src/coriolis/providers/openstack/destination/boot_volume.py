"""What the boot volume of a migrated VM tells Nova about the machine: image properties, as an image would have."""

from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Instance
from coriolis.model.replica import DetectedOs
from coriolis.providers.openstack.destination.options import DestinationEnvironment

_UEFI_MACHINE = "q35"
"""Firmware with Secure Boot needs its System Management Mode, and OVMF is tested with little else."""


def image_properties(
    environment: DestinationEnvironment, instance: Instance, detected: DetectedOs | None
) -> dict[str, str]:
    """Nova takes them for the whole server. What the environment says goes before what follows from the source."""
    found = _machine(environment, instance)
    if environment.hypervisor_type:
        found["img_hv_type"] = environment.hypervisor_type
    if environment.disk_bus:
        found["hw_disk_bus"] = environment.disk_bus
    if environment.disk_bus == "scsi" and environment.hypervisor_type != "hyperv":
        found["hw_scsi_model"] = "virtio-scsi"
    if instance.os_type in {OsType.LINUX, OsType.WINDOWS}:
        found["os_type"] = instance.os_type.value
    if detected is not None:
        found["os_distro"] = detected.distribution
        if environment.hypervisor_type != "hyperv":
            found["hw_qemu_guest_agent"] = "yes"  # OSMorphing has installed it
    return {**found, **environment.custom_boot_volume_image_metadata}


def _machine(environment: DestinationEnvironment, instance: Instance) -> dict[str, str]:
    """Hyper-V knows the firmware by the generation of the machine."""
    secure = {"os_secure_boot": "required"} if instance.secure_boot else {}
    if environment.hypervisor_type == "hyperv":
        generation = "hyperv-gen2" if instance.firmware == Firmware.EFI else "hyperv-gen1"
        return {"hw_machine_type": generation, **secure}
    if instance.firmware == Firmware.EFI:
        return {"hw_firmware_type": "uefi", "hw_machine_type": _UEFI_MACHINE, **secure}
    return {}
