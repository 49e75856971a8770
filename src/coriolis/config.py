"""Settings, declared once: ini key, type, default and help; JSON schema comes from the same models.

A file in oslo.config's ini format (`coriolis.conf`) overrides the defaults. Sections are the fields of `Settings`.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from oslo_config import cfg
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from coriolis.errors import InvalidInput
from coriolis.model.bandwidth import parse_bandwidth
from coriolis.model.queue import Limits
from coriolis.model.secret import Secret


def _none_if_empty(value: Any) -> Any:
    """An ini file has "connection =" for nothing."""
    return None if value == "" else value


def _as_names(value: Any) -> Any:
    """An ini file has "eu, us"."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_names)]


def _as_ports(value: Any) -> Any:
    """An ini file has "49200-49299", or one port."""
    if isinstance(value, str | int):
        first, _, last = str(value).partition("-")
        return (int(first), int(last or first))
    return value


def _possible_ports(ports: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= ports[0] <= ports[1] < 65536 or (ports[0] == 0 and ports[1] != 0):
        raise ValueError(f"there are no ports {ports[0]}-{ports[1]}")
    return ports


def _understood_bandwidth(text: str) -> str:
    parse_bandwidth(text)
    return text


Ports = Annotated[tuple[int, int], BeforeValidator(_as_ports), AfterValidator(_possible_ports)]
Bandwidth = Annotated[str, AfterValidator(_understood_bandwidth)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DefaultSection(Section):
    state_dir: Path = Field(
        Path("/var/lib/coriolis"),
        description="Database, key file and manifests live here; one process at a time.",
    )
    debug: bool = Field(False, description="Log what the product does in detail; never secrets.")
    host: str = Field(
        "",
        description="Name of this host among the services; empty: its host name. Two processes of one kind on one "
        "host need two names.",
    )


class ApiSection(Section):
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(7667, ge=0, le=65535, description="TCP port of the API; 0 picks a free one.")
    regions: Names = Field(
        (), description="Regions whose clouds coriolis-api reaches itself, by name; set at its first start."
    )
    allow_unauthenticated: bool = Field(
        False,
        description="Listen beyond loopback without [keystone_authtoken]: whoever reaches it may do all.",
    )


class ConductorSection(Section):
    regions: Names = Field(
        (),
        description="Regions that this conductor works for, by name; set at its first start, then by "
        "`coriolis service update`.",
    )


class ServiceSection(Section):
    """[service]: how processes tell that they live."""

    heartbeat_seconds: float = Field(5.0, gt=0, description="How often a process says that it lives.")
    down_seconds: float = Field(
        20.0, gt=0, description="A service that was silent for so long is DOWN; some heartbeats long."
    )


class MessagingSection(Section):
    transport_url: Secret | None = Field(
        None,
        description="rabbit://user:password@host:5672/vhost; empty: no broker, conductors look for work every second.",
    )
    ssl: bool = Field(False, description="Speak TLS with RabbitMQ.")
    ssl_ca_file: Path | None = Field(
        None, description="Certificate authorities that RabbitMQ is checked against."
    )
    call_timeout: float = Field(
        60.0,
        gt=0,
        description="Seconds that a conductor of another region may take to answer about its clouds.",
    )
    notification_topics: Names = Field(
        (),
        description="Topics (queues) that notifications are sent to, e.g. notifications. None by default: a queue "
        "that nobody reads grows for ever.",
    )


class KeystoneAuthtokenSection(Section):
    """[keystone_authtoken], as keystonemiddleware knows it. Without auth_url there is no authentication."""

    auth_url: str = Field("", description="URL of Keystone; empty: no authentication, loopback only.")
    www_authenticate_uri: str = Field("", description="Keystone's URL as clients know it; empty: auth_url.")
    auth_type: str = Field("password", description="keystoneauth plugin that Coriolis itself logs in with.")
    username: str = Field("coriolis", description="Service user that checks tokens.")
    password: Secret | None = Field(None, description="Its password.")
    user_domain_name: str = Field("Default", description="Domain of the service user.")
    project_name: str = Field("service", description="Project of the service user.")
    project_domain_name: str = Field("Default", description="Domain of that project.")
    region_name: str = Field("", description="Region of the Keystone to use; empty: any.")
    interface: str = Field(
        "internal", description="Interface of Keystone in the catalog: internal or public."
    )
    cafile: Path | None = Field(None, description="Certificate authorities that Keystone is checked against.")
    insecure: bool = Field(False, description="Do not check Keystone's certificate.")
    memcached_servers: Names = Field((), description="host:port of memcached to keep checked tokens in.")
    token_cache_time: int = Field(
        300, description="Seconds a checked token is believed; -1: checked every time."
    )
    http_connect_timeout: int = Field(10, gt=0, description="Seconds to wait for a connection to Keystone.")


class OsloPolicySection(Section):
    """[oslo_policy]: who may do what, beyond the defaults (see docs/how-to/run-distributed.md)."""

    policy_file: Path | None = Field(None, description="YAML file of rules that replace the defaults.")


class DatabaseSection(Section):
    connection: Annotated[Secret | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        description="mysql+pymysql://user:password@host/coriolis, or postgresql://…; empty: SQLite in the state "
        "directory, for one process.",
    )
    max_pool_size: int = Field(
        10, ge=1, description="Connections that each process keeps open; the server has to have room for all."
    )
    max_overflow: int = Field(
        30, ge=0, description="Connections beyond those, closed when they are not in use."
    )
    pool_timeout: float = Field(
        10.0, gt=0, description="Seconds to wait for one of these connections to be free."
    )
    connection_recycle_time: int = Field(
        1800,
        gt=0,
        description="Seconds after which a connection is replaced; below the wait_timeout of server and proxies.",
    )
    connect_timeout: int = Field(10, gt=0, description="Seconds that connecting may take.")
    read_timeout: int = Field(
        30, gt=0, description="Seconds that one statement may take; above the 20 that it may wait for a row."
    )


class SecretsSection(Section):
    key_file: Path | None = Field(
        None,
        description="File of the keys that credentials are encrypted with; empty: secrets.key in the state directory. "
        "The same on all hosts, and never in the database's backup.",
    )


class BarbicanSection(Section):
    """[barbican]: the key manager of Keystone's catalog, asked as the user of [keystone_authtoken]."""

    cache_seconds: float = Field(
        60.0, ge=0, description="How long what a secret_ref stands for is remembered in memory."
    )
    timeout: float = Field(30.0, gt=0, description="Seconds that one request may take.")


class EngineSection(Section):
    max_parallel_jobs: int = Field(
        4,
        ge=1,
        description="Instances that one conductor copies or deploys at the same time; as many again may be undone.",
    )
    max_jobs: int = Field(
        0,
        ge=0,
        description="Jobs at work at the same time in the whole installation; 0: no limit. The same on all hosts, "
        "like the next two.",
    )
    max_jobs_per_endpoint: int = Field(
        16, ge=0, description="Jobs at work at the same time from or to one endpoint; 0: no limit."
    )
    max_jobs_per_host: int = Field(
        0,
        ge=0,
        description="Jobs at work at the same time in all conductors of one host, as [DEFAULT] names it; 0: no limit.",
    )
    poll_seconds: float = Field(
        0.25,
        gt=0,
        description="How often a conductor with room looks for jobs that no message told it of: two queries on an "
        "index. With [messaging] and many conductors, 2 or more.",
    )
    lease_seconds: float = Field(30.0, gt=0, description="How long a claim on a job lasts without renewal.")
    heartbeat_seconds: float = Field(
        10.0, gt=0, description="How often claims are renewed; at most a third of the lease is used."
    )
    watch_seconds: float = Field(
        1.0,
        gt=0,
        description="How often a conductor reads whether its jobs are to be cancelled or were lost; one query.",
    )
    retry_seconds: float = Field(
        2.0,
        gt=0,
        description="First wait before a step is tried again after a passing fault; doubles each time.",
    )

    @property
    def limits(self) -> Limits:
        return Limits(self.max_jobs, self.max_jobs_per_endpoint, self.max_jobs_per_host)


class TransferSection(Section):
    leaf_size: int = Field(
        65536,
        description="Bytes hashed as one; 64 KiB moves 1 % where 1 % of the blocks changed (1 MiB: 15 %).",
    )
    compression: str = Field(
        "auto", pattern="^(auto|none|zstd)$", description="Codec of the payload on the wire."
    )
    parallel_disks: int = Field(
        2,
        ge=1,
        description="Disks of one instance copied at once, at most; no more than the weaker worker has processors.",
    )
    connect_timeout: float = Field(300.0, gt=0, description="Seconds to wait for a worker VM's SSH.")
    winrm_connect_timeout: float = Field(
        900.0,
        gt=0,
        description="Seconds to wait for a Windows worker VM's WinRM; its first boot takes long, and may be several.",
    )
    audit_share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Part of each replica disk that every execution reads again from the destination, picked at random "
        "and at most 4096 leaves, besides some of what it has just written. 0: none.",
    )
    route: str = Field(
        "auto",
        pattern="^(auto|tls|ssh|direct)$",
        description="Way of the bytes: tls (end to end between the workers, through the conductor, which needs their "
        "agent_ports), ssh (needs port 22 only), direct (the source worker dials the destination worker), auto (tls "
        "where it can be, else ssh).",
    )
    agent_ports: Ports = Field(
        (49200, 49299),
        description="Ports that agents on workers listen on, one for each disk that is copied at once. Workers on "
        "OpenStack get a security group that opens them. 0: any free one.",
    )
    bandwidth_limit: Bandwidth = Field(
        "",
        description="Bytes a second of one run on the wire, all its disks together, where the transfer has no "
        "bandwidth_limit of its own; e.g. 08:00-18:00 50 MiB/s, 200 MiB/s (times in UTC). Empty: no limit.",
    )
    endpoint_bandwidth_limit: Bandwidth = Field(
        "",
        description="The same for all runs from or to one endpoint together, on each host that runs conductors.",
    )
    source_read_limit: Bandwidth = Field(
        "", description="Bytes a second that are read of each source disk; spares the source's storage."
    )


class MigrationSection(Section):
    """[migration]: when the passes of a live migration end, unless the user says otherwise."""

    max_passes: int = Field(
        8,
        ge=1,
        description="Passes with the instances running, at most; then they are shut down all the same.",
    )
    small_delta_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        description="A pass that moved no more is the last one: so much crosses in about a second.",
    )
    small_delta_seconds: float = Field(
        30.0,
        ge=0,
        description="A pass whose copy took no longer is the last one: the last delta will take about as long.",
    )
    restart_source_on_failure: bool = Field(
        True,
        description="Start the instances on the source again when what follows their shutting down fails or is "
        "cancelled.",
    )


class OsMorphingSection(Section):
    offline_packages_dir: Path | None = Field(
        None,
        description="Directory of package sets pushed to the worker, e.g. DIR/debian-12/*.deb; tried before mirrors.",
    )
    timeout: float = Field(1800.0, gt=0, description="Seconds one OSMorphing may take.")


class OpenStackSection(Section):
    """[openstack_migration_provider]: defaults of the source and destination environments."""

    timeout: float = Field(
        600.0, gt=0, description="Seconds to wait for a server, volume or snapshot to change state."
    )
    poll_interval: float = Field(
        1.0, gt=0, description="Seconds between looks at an object that changes state."
    )
    backup_timeout: float = Field(
        86400.0,
        gt=0,
        description="Seconds that Cinder may take for one backup: it reads the whole volume for it.",
    )
    image_timeout: float = Field(
        86400.0,
        gt=0,
        description="Seconds that Nova may take to make an image of a local root disk, and Cinder to make a volume of "
        "it: both copy the whole disk.",
    )
    full_backup_every: int = Field(
        14,
        ge=1,
        description="After so many Cinder backups on top of each other an export makes a full one, and the old ones "
        "can be deleted.",
    )
    cinder_ceph_timeout: int = Field(
        30,
        gt=0,
        description="Seconds to wait for a Ceph cluster, where an endpoint's ceph_options do not say.",
    )
    cinder_ceph_backups_diff_hash_algorithm: str = Field(
        "auto",
        pattern="^(auto|sha256|blake2b)$",
        description="What disks read by ceph_backups are hashed with to find what differs: sha256, blake2b, or auto "
        "(the fastest that both ends have). A replica keeps the one that its first run took.",
    )
    availability_zone: str = Field("", description="Nova's zone of migrated VMs; empty: Nova decides.")
    storage_availability_zone: str = Field(
        "", description="Cinder's zone of migrated disks; empty: Cinder decides."
    )
    default_cinder_volume_type: str = Field(
        "", description="Volume type of migrated disks; empty: the cloud's default type."
    )
    default_security_groups: Names = Field(
        (), description="Security groups of migrated VMs; empty: the project's group default."
    )
    default_custom_boot_volume_image_metadata: dict[str, str] = Field(
        default_factory=dict,
        description="Image properties of migrated boot volumes, e.g. hw_video_model: virtio; over those that Coriolis "
        "chooses.",
    )
    data_transfer_mechanism: str = Field(
        "auto",
        pattern="(?i)^(auto|ssh|https|rbd)$",
        description="Way of the bytes to migrated disks: ssh or https (through a worker VM), rbd (straight into the "
        "Ceph pool of the volumes), auto (through a worker VM).",
    )
    flavor_name: str = Field("", description="Flavor of migrated VMs; empty: the one that fits best.")
    keypair_name: str = Field("", description="Key pair of migrated VMs.")
    server_group: str = Field("", description="Server group of migrated VMs.")
    hypervisor_type: str = Field(
        "", pattern="^(|hyperv|qemu|kvm)$", description="Hypervisor of migrated VMs: hyperv, qemu or kvm."
    )
    disk_bus: str = Field(
        "", pattern="^(|virtio|scsi|sata|ide)$", description="Bus of migrated disks; empty: virtio."
    )
    use_config_drive: bool = Field(False, description="Give migrated VMs a config drive.")
    delete_disks_on_vm_termination: bool = Field(
        False, description="Delete migrated disks with the VM that has them."
    )
    port_reuse_policy: str = Field(
        "keep_mac",
        pattern="^(keep_mac|replace_mac|reuse_ports)$",
        description="keep_mac: new ports with the MAC addresses of the source; replace_mac: with new ones; "
        "reuse_ports: free ports that have the source's MAC addresses already are taken.",
    )
    preserve_fixed_ips: bool = Field(
        False, description="Give migrated VMs the fixed addresses of the source."
    )
    preserve_floating_ip: bool = Field(
        False, description="Give migrated VMs the floating addresses of the source."
    )
    use_floating_ip: bool = Field(False, description="Give migrated VMs a floating address.")
    floating_ip_pool: str = Field(
        "", description="External network of floating addresses, or network/subnet."
    )
    set_dhcp: bool = Field(True, description="Replace the guest's static addresses by DHCP.")
    volumes_are_zeroed: bool = Field(
        True, description="New volumes read as zeros, so that zeros need not be written."
    )
    list_all_destination_networks: bool = Field(
        False, description="List networks too that the project cannot put VMs on."
    )
    migr_image: str = Field("", description="Image of Linux worker VMs, where migr_image_map has none.")
    migr_image_map: dict[str, str] = Field(
        default_factory=dict, description="OS type to image of worker VMs, e.g. linux: debian-12."
    )
    migr_flavor_name: str = Field("", description="Flavor of worker VMs.")
    migr_network: str = Field("", description="Network of worker VMs.")
    migr_worker_use_fip: bool = Field(True, description="Reach worker VMs through floating addresses.")
    migr_fip_pool_name: str = Field(
        "", description="External network of worker VMs' floating addresses, or network/subnet."
    )
    migr_worker_boot_from_volume: bool = Field(False, description="Boot worker VMs from volumes.")
    migr_worker_volume_size: int = Field(10, gt=0, description="GiB of worker VMs' boot volumes.")
    migr_worker_volume_type: str = Field("", description="Volume type of worker VMs' boot volumes.")
    migr_worker_use_config_drive: bool = Field(False, description="Give worker VMs a config drive.")


class OvirtSection(Section):
    """[ovirt_migration_provider]: defaults of the destination environment, as `default_*`."""

    default_migr_blank_template: str = Field(
        "00000000-0000-0000-0000-000000000000", description="Name or id of a template without disks."
    )
    default_cluster: str = Field("Default", description="Name or id of the cluster for migrated VMs.")
    default_storage_domain: str = Field("", description="Name or id of a data domain for migrated disks.")
    default_vm_pool: str = Field("", description="Name or id of a VM pool for migrated VMs.")
    default_os_release: str = Field("other_linux", description="OS type of migrated VMs.")
    default_optimized_for: str = Field("server", description="desktop, server or high_performance.")
    default_delete_protected: bool = Field(False, description="Deletion protection of migrated VMs.")
    default_leave_migrated_vms_off: bool = Field(False, description="Do not start migrated VMs.")
    default_migr_minion_cluster: str = Field(
        "", description="Cluster of worker VMs; empty: the main cluster."
    )
    default_migr_template_map: dict[str, str] = Field(
        default_factory=dict,
        description="OS type to name or id of the worker template, e.g. linux: debian-12.",
    )
    default_migr_template_username_map: dict[str, str] = Field(
        default_factory=dict, description="OS type to the user preset in the worker template."
    )
    default_migr_template_password_map: dict[str, Secret] = Field(
        default_factory=dict, description="OS type to the password preset in the worker template."
    )
    default_migr_minion_storage_domain: str = Field(
        "", description="Storage domain of worker VMs' own disks."
    )
    default_use_thin_disk_allocation: bool = Field(
        True, description="Allocate the space of migrated disks as it is written."
    )
    default_keep_mac: bool = Field(
        True, description="Give NICs the MAC addresses that they have on the source."
    )
    default_disk_clone_mechanism: str = Field(
        "copy",
        pattern="^(copy|snapshot)$",
        description="How deployments copy replica disks: copy (each by itself), or snapshot (of a temporary VM of the "
        "blank template).",
    )
    data_transfer_mechanism: str = Field(
        "auto",
        pattern="(?i)^(auto|ssh|https|imageio)$",
        description="Way of the bytes to migrated disks: ssh or https (through a worker VM), imageio (the engine's "
        "image transfer, without one), auto.",
    )
    windows_virtio_zip_url: str = Field("", description="URL of the zip that holds winvirtio.iso.")
    auto_enable_incremental_backups: bool = Field(
        False,
        description="Of oVirt as a source: let the engine record what changes on the VMs' disks; raw disks get a "
        "snapshot for that.",
    )
    timeout: float = Field(
        900.0, gt=0, description="Seconds to wait for a disk, VM or snapshot to change state."
    )
    poll_interval: float = Field(
        2.0, gt=0, description="Seconds between looks at an object that changes state."
    )
    request_timeout: int = Field(120, gt=0, description="Seconds one HTTP request to the engine may take.")


class Settings(Section):
    default: DefaultSection = DefaultSection()
    api: ApiSection = ApiSection()
    conductor: ConductorSection = ConductorSection()
    service: ServiceSection = ServiceSection()
    messaging: MessagingSection = MessagingSection()
    keystone_authtoken: KeystoneAuthtokenSection = KeystoneAuthtokenSection()
    oslo_policy: OsloPolicySection = OsloPolicySection()
    database: DatabaseSection = DatabaseSection()
    secrets: SecretsSection = SecretsSection()
    barbican: BarbicanSection = BarbicanSection()
    engine: EngineSection = EngineSection()
    transfer: TransferSection = TransferSection()
    migration: MigrationSection = MigrationSection()
    osmorphing: OsMorphingSection = OsMorphingSection()
    openstack_migration_provider: OpenStackSection = OpenStackSection()
    ovirt_migration_provider: OvirtSection = OvirtSection()

    @property
    def state_dir(self) -> Path:
        return self.default.state_dir

    @property
    def key_file(self) -> Path:
        return self.secrets.key_file or self.state_dir / "secrets.key"

    @property
    def host_name(self) -> str:
        return self.default.host or socket.gethostname()

    @property
    def embedded(self) -> bool:
        """Everything in one process on SQLite: nobody else may hold the state directory."""
        connection = self.database.connection
        return connection is None or connection.reveal().startswith("sqlite")


def _option(key: str, annotation: Any) -> cfg.Opt:
    return cfg.DictOpt(key) if "dict" in str(annotation) else cfg.StrOpt(key)


def load_settings(path: Path | Sequence[Path] | None = None, **default_overrides: Any) -> Settings:
    """Reads `path`, of several the later ones win (None: defaults only). `default_overrides` set keys of
    [DEFAULT], as command-line flags do.

    Raises InvalidInput naming the section and key that cannot be used, never the value: it may be secret.
    """
    paths = [] if path is None else [path] if isinstance(path, Path) else list(path)
    values: dict[str, dict[str, Any]] = _read(paths) if paths else {"default": {}}
    values["default"] |= default_overrides
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        where = f" in {_listed(paths)}" if paths else ""
        complaints = "; ".join(_complaint(item["loc"], item["msg"]) for item in error.errors())
        raise InvalidInput(message=f"Settings{where}: {complaints}.") from None


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    section, *rest = (str(part) for part in location)
    name = "DEFAULT" if section == "default" else section
    return f"[{name}] {'.'.join(rest)}: {message}"


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _sections() -> list[tuple[str, type[Section]]]:
    found = [(name, field.annotation) for name, field in Settings.model_fields.items()]
    return [(name, model) for name, model in found if isinstance(model, type) and issubclass(model, Section)]


def _read(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    conf = cfg.ConfigOpts()
    for section, model in _sections():
        group = None if section == "default" else section
        conf.register_opts([_option(k, f.annotation) for k, f in model.model_fields.items()], group=group)
    try:
        conf(args=[], default_config_files=[str(path) for path in paths], project="coriolis")
    except cfg.Error as error:
        raise InvalidInput(message=f"Settings in {_listed(paths)}: {error}") from error
    values: dict[str, dict[str, Any]] = {}
    for section, model in _sections():
        source = conf if section == "default" else conf[section]
        found = {key: _value(source, section, key) for key in model.model_fields}
        values[section] = {k: v for k, v in found.items() if v is not None and v != {}}
    return values


def _value(source: cfg.ConfigOpts | cfg.ConfigOpts.GroupAttr, section: str, key: str) -> Any:
    """Without the value in the complaint: what looks like a variable may be a part of a password."""
    try:
        return source[key]
    except cfg.Error:
        raise InvalidInput(
            message=f"Settings: {_complaint((section, key), 'not a known $variable; $$ stands for one $')}."
        ) from None
