"""Settings, declared once: ini key, type, default and help; JSON schema comes from the same models.

A file in oslo.config's ini format (`coriolis.conf`) overrides the defaults. Sections are the fields of `Settings`.
"""

from pathlib import Path
from typing import Any

from oslo_config import cfg
from pydantic import BaseModel, ConfigDict, Field

from coriolis.errors import InvalidInput


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DefaultSection(Section):
    state_dir: Path = Field(
        Path("/var/lib/coriolis"),
        description="Database, key file and manifests live here; one process at a time.",
    )
    debug: bool = Field(False, description="Log what the product does in detail; never secrets.")


class ApiSection(Section):
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(7667, ge=0, le=65535, description="TCP port of the API; 0 picks a free one.")


class DatabaseSection(Section):
    connection: str = Field("", description="SQLAlchemy URL; empty means SQLite in the state directory.")


class EngineSection(Section):
    max_parallel_jobs: int = Field(4, ge=1, description="Instances copied or deployed at the same time.")
    lease_seconds: float = Field(30.0, gt=0, description="How long a claim on a job lasts without renewal.")
    heartbeat_seconds: float = Field(
        1.0,
        gt=0,
        description="How often a claim is renewed and a wish to cancel is seen; below a third of the lease.",
    )
    retry_seconds: float = Field(
        2.0,
        gt=0,
        description="First wait before a step is tried again after a passing fault; doubles each time.",
    )


class TransferSection(Section):
    leaf_size: int = Field(
        65536,
        description="Bytes hashed as one; 64 KiB moves 1 % where 1 % of the blocks changed (1 MiB: 15 %).",
    )
    compression: str = Field(
        "auto", pattern="^(auto|none|zstd)$", description="Codec of the payload on the wire."
    )
    parallel_disks: int = Field(2, ge=1, description="Disks of one instance copied at once.")
    connect_timeout: float = Field(300.0, gt=0, description="Seconds to wait for a worker VM's SSH.")


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
    default_migr_template_password_map: dict[str, str] = Field(
        default_factory=dict, description="OS type to the password preset in the worker template."
    )
    default_migr_minion_storage_domain: str = Field(
        "", description="Storage domain of worker VMs' own disks."
    )
    windows_virtio_zip_url: str = Field("", description="URL of the zip that holds winvirtio.iso.")
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
    database: DatabaseSection = DatabaseSection()
    engine: EngineSection = EngineSection()
    transfer: TransferSection = TransferSection()
    osmorphing: OsMorphingSection = OsMorphingSection()
    openstack_migration_provider: OpenStackSection = OpenStackSection()
    ovirt_migration_provider: OvirtSection = OvirtSection()

    @property
    def state_dir(self) -> Path:
        return self.default.state_dir

    @property
    def embedded(self) -> bool:
        """Everything in one process on SQLite: nobody else may hold the state directory."""
        return self.database_url.startswith("sqlite")

    @property
    def database_url(self) -> str:
        return self.database.connection or f"sqlite:///{self.state_dir / 'coriolis.sqlite'}"


def _option(key: str, annotation: Any) -> cfg.Opt:
    return cfg.DictOpt(key) if "dict" in str(annotation) else cfg.StrOpt(key)


def load_settings(path: Path | None = None, **default_overrides: Any) -> Settings:
    """Reads `path` (None: defaults only). `default_overrides` set keys of [DEFAULT], as command-line flags do.

    Raises InvalidInput naming the section and key that cannot be used.
    """
    values: dict[str, dict[str, Any]] = {"default": dict(default_overrides)}
    if path is not None:
        values = _read(path)
        values["default"] |= default_overrides
    try:
        return Settings.model_validate(values)
    except ValueError as error:
        raise InvalidInput(message=f"Settings{f' in {path}' if path else ''}: {error}") from error


def _sections() -> list[tuple[str, type[Section]]]:
    found = [(name, field.annotation) for name, field in Settings.model_fields.items()]
    return [(name, model) for name, model in found if isinstance(model, type) and issubclass(model, Section)]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    conf = cfg.ConfigOpts()
    for section, model in _sections():
        group = None if section == "default" else section
        conf.register_opts([_option(k, f.annotation) for k, f in model.model_fields.items()], group=group)
    try:
        conf(args=[], default_config_files=[str(path)], project="coriolis")
    except cfg.Error as error:
        raise InvalidInput(message=f"Settings in {path}: {error}") from error
    values: dict[str, dict[str, Any]] = {}
    for section, model in _sections():
        source = conf if section == "default" else conf[section]
        found = {key: source[key] for key in model.model_fields}
        values[section] = {k: v for k, v in found.items() if v is not None and v != {}}
    return values
