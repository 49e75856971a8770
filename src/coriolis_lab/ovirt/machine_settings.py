"""The settings that VMs and templates share, and reading them from request bodies."""

from dataclasses import dataclass, replace
from typing import TypeVar

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.look import Look
from coriolis_lab.ovirt.machine_extras import read_extras
from coriolis_lab.ovirt.markup import Element
from coriolis_lab.ovirt.operating_systems import REQUIRES_TPM, known_types
from coriolis_lab.ovirt.refusals import bad_request, conflict

T = TypeVar("T")

MEBIBYTE = 1024**2
BIOS_TYPES = ("i440fx_sea_bios", "q35_ovmf", "q35_sea_bios", "q35_secure_boot")
UEFI_BIOS_TYPES = ("q35_ovmf", "q35_secure_boot")
VM_TYPES = ("desktop", "server", "high_performance")
BOOT_DEVICES = ("hd", "cdrom", "network")
HIDDEN_PASSWORD = "******"  # noqa: S105 - what the engine shows instead of one
MINIMUM_MEMORY = 256 * MEBIBYTE


@dataclass(frozen=True)
class NicConfiguration:
    """Static addresses for cloud-init's network_data.json: boot_protocol dhcp, static or none."""

    name: str
    boot_protocol: str = "none"
    address: str = ""
    netmask: str = ""
    gateway: str = ""


@dataclass(frozen=True)
class Initialization:
    """None for what the request left out."""

    host_name: str | None = None
    user_name: str | None = None
    root_password: str | None = None
    authorized_ssh_keys: str | None = None
    custom_script: str | None = None
    timezone: str | None = None
    dns_servers: str | None = None
    dns_search: str | None = None
    nic_configurations: tuple[NicConfiguration, ...] = ()


@dataclass(frozen=True)
class MachineSettings:
    description: str = ""
    comment: str = ""
    memory: int = 1024 * MEBIBYTE
    memory_guaranteed: int = 1024 * MEBIBYTE
    memory_max: int = 4096 * MEBIBYTE
    ballooning: bool = True
    sockets: int = 1
    cores: int = 1
    threads: int = 1
    os_type: str = "other"
    boot_devices: tuple[str, ...] = ("hd",)
    bios_type: str = "q35_sea_bios"
    type: str = "server"
    delete_protected: bool = False
    tpm_enabled: bool = False
    time_zone: str = "Etc/GMT"
    high_availability: bool = False
    priority: int = 1
    custom_properties: tuple[tuple[str, str], ...] = ()
    extras: tuple[Element, ...] = ()

    @property
    def cpus(self) -> int:
        return self.sockets * self.cores * self.threads


def read_settings(body: Node, base: MachineSettings, look: Look) -> MachineSettings:
    """`base` with whatever the body names; raises the engine's refusals for impossible values."""
    changed = replace(
        base,
        description=_or(body.string("description"), base.description),
        comment=_or(body.string("comment"), base.comment),
        sockets=_or(body.integer("cpu/topology/sockets"), base.sockets),
        cores=_or(body.integer("cpu/topology/cores"), base.cores),
        threads=_or(body.integer("cpu/topology/threads"), base.threads),
        os_type=_read_os_type(body, base.os_type, look),
        boot_devices=_read_boot_devices(body, base.boot_devices),
        bios_type=_or(body.choice("bios/type", ("cluster_default", *BIOS_TYPES)), base.bios_type),
        type=_or(body.choice("type", VM_TYPES), base.type),
        delete_protected=_or(body.boolean("delete_protected"), base.delete_protected),
        tpm_enabled=_or(body.boolean("tpm_enabled"), base.tpm_enabled),
        time_zone=_or(body.string("time_zone/name"), base.time_zone),
        high_availability=_or(body.boolean("high_availability/enabled"), base.high_availability),
        priority=_or(body.integer("high_availability/priority"), base.priority),
        custom_properties=_read_custom_properties(body, base.custom_properties),
        extras=read_extras(body, base.extras),
    )
    return _read_memory(body, changed)


def check_settings(settings: MachineSettings, action: str) -> None:
    """`action` is "add" or "edit", for the text."""
    if settings.memory < MINIMUM_MEMORY:
        minimum = MINIMUM_MEMORY // MEBIBYTE
        raise conflict(
            f"Cannot {action} VM. Memory size is below the minimum of {minimum} MB for this operating system."
        )
    if settings.memory % MEBIBYTE:
        raise conflict(f"Cannot {action} VM. The memory size must be a multiple of 1 MB.")
    if settings.memory_guaranteed > settings.memory:
        raise conflict(f"Cannot {action} VM. Physical Memory Guaranteed cannot exceed Memory Size.")
    if settings.memory_max < settings.memory:
        memory, maximum = settings.memory // MEBIBYTE, settings.memory_max // MEBIBYTE
        raise conflict(
            f"Cannot {action} VM. Memory size ({memory}MB) cannot exceed maximum memory size ({maximum}MB)."
        )
    if min(settings.sockets, settings.cores, settings.threads) < 1:
        raise conflict(f"Cannot {action} VM. The CPU topology needs at least one socket, core and thread.")
    uefi = settings.bios_type in UEFI_BIOS_TYPES
    if settings.os_type in REQUIRES_TPM and not (settings.tpm_enabled and uefi):
        raise conflict(f"Cannot {action} VM. TPM device is required by the guest operating system.")
    if settings.tpm_enabled and not uefi:
        raise conflict(f"Cannot {action} VM. TPM device is supported only on Q35 with UEFI.")


def read_initialization(node: Node | None) -> Initialization | None:
    """Of an `<initialization>` element; the old `<cloud_init>` structure inside is not read (nor by the
    engine's v4).
    """
    if node is None:
        return None
    configurations = tuple(
        NicConfiguration(
            name=item.string("name") or "",
            boot_protocol=item.choice(
                "boot_protocol", ("dhcp", "none", "static", "autoconf", "poly_dhcp_autoconf")
            )
            or "none",
            address=item.string("ip/address") or "",
            netmask=item.string("ip/netmask") or "",
            gateway=item.string("ip/gateway") or "",
        )
        for item in node.all("nic_configurations/nic_configuration")
    )

    def text(tag: str) -> str | None:
        return node.string(tag) or None

    return Initialization(
        host_name=text("host_name"),
        user_name=text("user_name"),
        root_password=text("root_password"),
        authorized_ssh_keys=text("authorized_ssh_keys"),
        custom_script=text("custom_script"),
        timezone=text("timezone"),
        dns_servers=text("dns_servers"),
        dns_search=text("dns_search"),
        nic_configurations=configurations,
    )


def _read_os_type(body: Node, default: str, look: Look) -> str:
    os_type = body.string("os/type")
    if not os_type:
        return default
    known = {known.name for known in known_types(look)}
    if os_type not in known:
        raise bad_request(
            "Invalid value",
            f"Invalid value {os_type} for os type. Possible values: {', '.join(sorted(known))}",
        )
    return os_type


def _read_boot_devices(body: Node, default: tuple[str, ...]) -> tuple[str, ...]:
    devices = tuple(node.text for node in body.all("os/boot/devices/device"))
    for device in devices:
        if device not in BOOT_DEVICES:
            raise bad_request("Invalid value", f"Invalid value {device} for boot device")
    return devices or default


def _read_custom_properties(body: Node, default: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if body.find("custom_properties") is None:
        return default
    return tuple(
        (node.string("name") or "", node.string("value") or "")
        for node in body.all("custom_properties/custom_property")
    )


def _read_memory(body: Node, settings: MachineSettings) -> MachineSettings:
    """A new memory size alone moves the guaranteed size with it and the maximum to four times as much."""
    memory = body.integer("memory")
    guaranteed = body.integer("memory_policy/guaranteed")
    maximum = body.integer("memory_policy/max")
    if memory is not None:
        settings = replace(
            settings,
            memory=memory,
            memory_guaranteed=memory,
            memory_max=max(settings.memory_max, 4 * memory) if memory > 0 else settings.memory_max,
        )
    return replace(
        settings,
        memory_guaranteed=_or(guaranteed, settings.memory_guaranteed),
        memory_max=_or(maximum, settings.memory_max),
        ballooning=_or(body.boolean("memory_policy/ballooning"), settings.ballooning),
    )


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
