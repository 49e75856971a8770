"""A virtual machine on a cloud, as every provider describes it."""

from dataclasses import dataclass

from coriolis.model.enums import Firmware, OsType


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of an instance. `id` is the source cloud's volume id; `size_bytes` is what the guest sees."""

    id: str
    size_bytes: int
    unit_number: int = 0
    bootable: bool = False
    format: str = "raw"
    storage_backend: str | None = None


@dataclass(frozen=True, slots=True)
class Nic:
    """`floating_ips`: addresses that lead to the NIC from outside, and of which the guest knows nothing."""

    network_name: str
    mac_address: str | None
    id: str | None = None
    network_id: str | None = None
    ip_addresses: tuple[str, ...] = ()
    floating_ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """A line of an inventory listing. `memory_mb` in MiB. `running` None: not known."""

    id: str
    name: str
    num_cpu: int
    memory_mb: int
    os_type: OsType
    firmware: Firmware | None = None
    flavor_name: str | None = None
    running: bool | None = None
    disk_sizes_bytes: tuple[int, ...] = ()
    network_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """Everything needed to rebuild the VM elsewhere. Disks in boot order, the boot disk first.

    `left_behind`: what it has besides, and no transfer brings over; a sentence each, for people.
    """

    id: str
    name: str
    num_cpu: int
    memory_mb: int
    os_type: OsType
    firmware: Firmware
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    flavor_name: str | None = None
    secure_boot: bool = False
    tpm: bool = False
    running: bool = True
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class StorageBackend:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ProviderOption:
    """A parameter of an environment with the values that this cloud offers: (id, name) pairs or plain strings."""

    name: str
    values: tuple[str | Network | StorageBackend, ...]
    default: str | bool | None = None
