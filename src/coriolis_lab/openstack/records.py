"""What the services remember. Sizes are GiB for volumes and disks of flavors, MiB for memory, bytes where
named so."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from coriolis.model.secret import Secret


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Project:
    id: str
    name: str
    description: str = ""


@dataclass
class User:
    """`roles` by project id."""

    id: str
    name: str
    password: Secret
    default_project_id: str | None = None
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class ApplicationCredential:
    """A secret of a user's for one project; its roles are those the user had there, or fewer."""

    id: str
    name: str
    secret: Secret
    user: User
    project: Project
    roles: tuple[str, ...]
    description: str | None = None


@dataclass
class Token:
    id: Secret
    user: User
    project: Project | None
    roles: tuple[str, ...]
    issued: datetime
    expires: datetime
    methods: tuple[str, ...]
    audit_id: str
    application_credential: ApplicationCredential | None = None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


@dataclass
class Image:
    """`hypervisor_id` names the base for `Hypervisor.disk_from_image`, or `snapshot_id` the snapshot that it was made
    of; `path` is served as the image's file. `size_bytes` and `disk_format` are None until its data are there."""

    id: str
    name: str
    owner: str
    hypervisor_id: str
    disk_format: str | None
    size_bytes: int | None
    min_disk: int
    min_ram: int
    properties: dict[str, str]
    visibility: str = "public"
    snapshot_id: str | None = None
    protected: bool = False
    tags: list[str] = field(default_factory=list)
    path: str | None = None
    status: str = "active"
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class Flavor:
    id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    extra_specs: dict[str, str] = field(default_factory=dict)


@dataclass
class Keypair:
    name: str
    user_id: str
    type: str
    public_key: str
    fingerprint: str
    created: datetime = field(default_factory=now)


@dataclass
class ServerGroup:
    id: str
    name: str
    project_id: str
    user_id: str
    policy: str
    members: list[str] = field(default_factory=list)


@dataclass
class Network:
    id: str
    name: str
    project_id: str
    external: bool = False
    shared: bool = False
    description: str = ""
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class Subnet:
    id: str
    name: str
    project_id: str
    network_id: str
    cidr: str
    gateway_ip: str | None
    pools: list[tuple[str, str]]
    enable_dhcp: bool = True
    dns_nameservers: list[str] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class FixedIp:
    subnet_id: str
    address: str


@dataclass
class Port:
    """`made_by_nova`: goes with its server, unlike a port that the user made and handed to Nova."""

    id: str
    name: str
    project_id: str
    network_id: str
    mac: str
    fixed_ips: list[FixedIp]
    security_group_ids: list[str]
    device_id: str = ""
    device_owner: str = ""
    status: str = "DOWN"
    description: str = ""
    admin_state_up: bool = True
    port_security: bool = True
    made_by_nova: bool = False
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class SecurityGroupRule:
    id: str
    project_id: str
    security_group_id: str
    direction: str
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str = ""
    created: datetime = field(default_factory=now)


@dataclass
class SecurityGroup:
    id: str
    name: str
    project_id: str
    description: str = ""
    rules: list[SecurityGroupRule] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class FloatingIp:
    """`address` is a loopback address of the hypervisor's."""

    id: str
    project_id: str
    network_id: str
    address: str
    description: str = ""
    port_id: str | None = None
    fixed_address: str | None = None
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class Attachment:
    """A volume on a server: Nova's block device mapping and Cinder's attachment in one."""

    id: str
    bdm_id: str
    server_id: str
    volume_id: str
    device: str
    delete_on_termination: bool = False
    boot_index: int | None = None
    tag: str | None = None
    disk_bus: str | None = None
    attached: datetime = field(default_factory=now)


@dataclass
class Volume:
    """`reservation`: what Nova holds it by for a server that it begins to make; no attachment yet. `status`: none at
    all is what Cinder's scheduler leaves it, see `backup_work`."""

    id: str
    name: str
    project_id: str
    user_id: str
    size: int
    volume_type: str
    status: str | None = "creating"
    description: str | None = None
    bootable: bool = False
    readonly: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    image_metadata: dict[str, str] = field(default_factory=dict)
    availability_zone: str = "nova"
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    image_id: str | None = None
    attachments: list[Attachment] = field(default_factory=list)
    reservation: Attachment | None = None
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class Snapshot:
    id: str
    name: str
    project_id: str
    user_id: str
    volume_id: str
    size: int
    status: str = "creating"
    progress: str = "0%"
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class Backup:
    """`prefix` of its objects in `container`; `data_at`: when the data was as it is in the backup."""

    id: str
    name: str
    project_id: str
    user_id: str
    volume_id: str
    size: int
    data_at: datetime
    container: str
    snapshot_id: str | None = None
    parent_id: str | None = None
    status: str = "creating"
    description: str | None = None
    fail_reason: str | None = None
    object_count: int = 0
    prefix: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass
class Server:
    """`root_disk` is the local disk of a server booted from an image, `local_disks` are what its flavor adds: ephemeral
    disk and swap. `image_properties` (hw_*) decide the hardware: those of the image, or of the boot volume's image
    metadata. `password_data` is what a Windows guest posted, encrypted. `ssh` is what the hypervisor was last told: MAC
    to loopback address."""

    id: str
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    image_id: str | None
    image_properties: dict[str, str]
    key: Keypair | None = None
    user_data: bytes | None = None
    config_drive: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    description: str | None = None
    availability_zone: str = "nova"
    password_data: str = ""
    root_disk: str | None = None
    local_disks: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    vm_state: str = "building"
    task_state: str | None = "scheduling"
    power_state: int = 0
    locked: bool = False
    fault: dict[str, Any] | None = None
    defined: bool = False
    ssh: dict[str, str | None] = field(default_factory=dict)
    reservation_id: str = ""
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    launched: datetime | None = None
    terminated: datetime | None = None


@dataclass
class Quotas:
    """Zed's defaults. -1 is without limit."""

    compute: dict[str, int] = field(
        default_factory=lambda: {
            "instances": 10,
            "cores": 20,
            "ram": 51200,
            "metadata_items": 128,
            "key_pairs": 100,
            "server_groups": 10,
            "server_group_members": 10,
        }
    )
    volume: dict[str, int] = field(
        default_factory=lambda: {
            "volumes": 10,
            "snapshots": 10,
            "gigabytes": 1000,
            "backups": 10,
            "backup_gigabytes": 1000,
            "per_volume_gigabytes": -1,
            "groups": 10,
        }
    )
    network: dict[str, int] = field(
        default_factory=lambda: {
            "network": 100,
            "subnet": 100,
            "subnetpool": -1,
            "port": 500,
            "router": 10,
            "floatingip": 50,
            "security_group": 10,
            "security_group_rule": 100,
            "rbac_policy": 10,
        }
    )
