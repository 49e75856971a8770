"""What VMs, templates and snapshots' configurations write alike, in the engine's order."""

from coriolis_lab.ovirt.machine_extras import with_extras
from coriolis_lab.ovirt.machine_settings import HIDDEN_PASSWORD, Initialization, MachineSettings
from coriolis_lab.ovirt.markup import Element, leaf, leaves, struct
from coriolis_lab.ovirt.resources import icons


def machine_fields(
    settings: MachineSettings, initialization: Initialization | None = None
) -> tuple[Element | None, ...]:
    """The alphabetical part, without the creation time (see `machine_head`)."""
    large_icon, small_icon = icons.references()
    defaults = (
        leaf("delete_protected", settings.delete_protected),
        struct(
            "display",
            leaf("allow_override", False),
            leaf("copy_paste_enabled", True),
            leaf("disconnect_action", "LOCK_SCREEN"),
            leaf("file_transfer_enabled", True),
            leaf("monitors", 1),
            leaf("smartcard_enabled", False),
            leaf("type", "vnc"),
        ),
        struct(
            "high_availability",
            leaf("enabled", settings.high_availability),
            leaf("priority", settings.priority),
        ),
        render_initialization(initialization) if initialization else None,
        struct("io", leaf("threads", 1)),
        large_icon,
        leaf("memory", settings.memory),
        struct(
            "memory_policy",
            leaf("ballooning", settings.ballooning),
            leaf("guaranteed", settings.memory_guaranteed),
            leaf("max", settings.memory_max),
        ),
        struct(
            "migration",
            leaf("auto_converge", "inherit"),
            leaf("compressed", "inherit"),
            leaf("encrypted", "inherit"),
        ),
        leaf("migration_downtime", -1),
        leaf("multi_queues_enabled", True),
        leaf("origin", "ovirt"),
        struct(
            "os",
            struct("boot", leaves("devices", "device", settings.boot_devices)),
            leaf("type", settings.os_type),
        ),
        struct("placement_policy", leaf("affinity", "migratable")),
        struct("sso", struct("methods", struct("method", attributes=(("id", "guest_agent"),)))),
        small_icon,
        leaf("start_paused", False),
        leaf("stateless", False),
        leaf("storage_error_resume_behaviour", "auto_resume"),
        struct("time_zone", leaf("name", settings.time_zone)),
        leaf("tpm_enabled", settings.tpm_enabled),
        leaf("type", settings.type),
        struct("usb", leaf("enabled", False)),
        leaf("virtio_scsi_multi_queues_enabled", False),
    )
    return with_extras(defaults, settings.extras)


def machine_head(settings: MachineSettings, architecture: str = "x86_64") -> tuple[Element | None, ...]:
    """The fields that stand before the creation time."""
    properties = [
        struct("custom_property", leaf("name", name), leaf("value", value))
        for name, value in settings.custom_properties
    ]
    return (
        struct("bios", struct("boot_menu", leaf("enabled", False)), leaf("type", settings.bios_type)),
        struct(
            "cpu",
            leaf("architecture", architecture),
            struct(
                "topology",
                leaf("cores", settings.cores),
                leaf("sockets", settings.sockets),
                leaf("threads", settings.threads),
            ),
        ),
        None if any(one.tag == "cpu_shares" for one in settings.extras) else leaf("cpu_shares", 0),
        struct("custom_properties", *properties) if properties else None,
    )


def render_initialization(initialization: Initialization) -> Element:
    """Passwords come back as stars."""
    nics = [
        struct(
            "nic_configuration",
            leaf("boot_protocol", nic.boot_protocol),
            struct(
                "ip",
                leaf("address", nic.address or None),
                leaf("gateway", nic.gateway or None),
                leaf("netmask", nic.netmask or None),
            )
            if nic.address
            else None,
            leaf("name", nic.name),
            leaf("on_boot", True),
        )
        for nic in initialization.nic_configurations
    ]
    return struct(
        "initialization",
        leaf("authorized_ssh_keys", initialization.authorized_ssh_keys),
        leaf("custom_script", initialization.custom_script),
        leaf("dns_search", initialization.dns_search),
        leaf("dns_servers", initialization.dns_servers),
        leaf("host_name", initialization.host_name),
        struct("nic_configurations", *nics) if nics else None,
        leaf("root_password", HIDDEN_PASSWORD if initialization.root_password else None),
        leaf("timezone", initialization.timezone),
        leaf("user_name", initialization.user_name),
    )
