"""The virtual hardware of a migrated VM, in the engine's terms."""

from typing import Any

from ovirtsdk4 import types

from coriolis.errors import InvalidInput
from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Instance

MIB = 1 << 20
SMALLEST_MEMORY = 256 * MIB
"""The least that the engine takes for most OS types."""
_MOST_SOCKETS = 16  # MaxNumOfVmSockets of every cluster level
_MOST_CORES = 254  # MaxNumOfCpuPerSocket


def cpu_of(instance: Instance) -> Any:
    """Sockets, since those can be plugged in later; for Windows cores, since its desktop editions use two sockets at
    most.

    Raises InvalidInput for a number that no engine takes.
    """
    number = instance.num_cpu
    most = 1 if instance.os_type == OsType.WINDOWS else _MOST_SOCKETS
    sockets = next(count for count in range(min(most, number), 0, -1) if number % count == 0)
    if number // sockets > _MOST_CORES:
        raise InvalidInput(message=f"Instance {instance.name!r}: oVirt takes no VM with {number} processors.")
    return types.Cpu(topology=types.CpuTopology(sockets=sockets, cores=number // sockets, threads=1))


def memory_of(instance: Instance) -> int:
    """Bytes; more than the source has where that is less than the engine takes."""
    return max(instance.memory_mb * MIB, SMALLEST_MEMORY)


def memory_policy_of(instance: Instance, optimized_for: str) -> Any:
    """All of it guaranteed: the guest had it for itself where it comes from. How far it may grow is the engine's
    default. High performance and ballooning exclude each other."""
    policy = types.MemoryPolicy(guaranteed=memory_of(instance))
    if optimized_for == types.VmType.HIGH_PERFORMANCE.value:
        policy.ballooning = False
    return policy


def default_maximum(memory: int) -> int:
    """How far the engine lets the memory of a new VM grow."""
    return 4 * memory


def bios_of(instance: Instance, cluster: Any) -> Any:
    """The source's firmware; for BIOS the machine type that the cluster prefers."""
    if instance.firmware == Firmware.EFI:
        secure = instance.secure_boot
        return types.Bios(type=types.BiosType.Q35_SECURE_BOOT if secure else types.BiosType.Q35_OVMF)
    if cluster.bios_type == types.BiosType.I440FX_SEA_BIOS:
        return types.Bios(type=types.BiosType.I440FX_SEA_BIOS)
    return types.Bios(type=types.BiosType.Q35_SEA_BIOS)


def needs_tpm(instance: Instance, release: str, support: Any) -> bool:
    """Whether the VM gets a TPM: the source has one, or the OS type cannot be without. `support` is the engine's
    types.TpmSupport for `release`, None from engines that know no TPM.

    Raises InvalidInput where the firmware or the engine stands against it.
    """
    required = support == types.TpmSupport.REQUIRED
    if not (instance.tpm or required):
        return False
    if instance.firmware != Firmware.EFI:
        if instance.tpm:
            return False  # the engine gives a TPM to UEFI guests only
        raise InvalidInput(
            message=f"Instance {instance.name!r} boots from BIOS, but OS type {release} needs UEFI and a TPM: choose "
            "another os_release."
        )
    return support in (types.TpmSupport.SUPPORTED, types.TpmSupport.REQUIRED)
