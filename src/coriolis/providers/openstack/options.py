"""The source environment of an OpenStack endpoint."""

from typing import Literal

from pydantic import Field

from coriolis.model.enums import Firmware, OsType
from coriolis.providers.base import Environment
from coriolis.providers.schema import OptionModel

Mechanism = Literal["coriolis_backups", "swift_backups", "ceph_backups", "ceph_snapshots"]
DEFAULT_MECHANISM: Mechanism = "coriolis_backups"
Quiesce = Literal["auto", "required", "off"]


class CoriolisBackupsOptions(OptionModel):
    """Of exports that read clones of volume snapshots through a temporary export worker VM."""

    export_image: str | None = Field(
        default=None, title="Export worker image", description="Name or id of a Linux image with cloud-init."
    )
    export_flavor_name: str | None = Field(
        default=None,
        title="Export worker flavor",
        description="Name or id of the flavor of the export worker.",
    )
    export_network: str | None = Field(
        default=None,
        title="Export worker network",
        description="Name or id of the network of the export worker.",
    )
    export_worker_use_fip: bool = Field(
        True,
        title="Use a floating IP",
        description="Reach the worker through a floating IP; off where its network is reachable itself.",
    )
    export_fip_pool_name: str | None = Field(
        default=None,
        title="Floating IP pool",
        description="Name or id of the external network of the floating IP.",
    )
    export_worker_use_config_drive: bool = Field(
        default=False, title="Use a config drive", description="For clouds without metadata service."
    )
    export_worker_boot_from_volume: bool = Field(
        default=False, title="Boot from volume", description="For flavors or clouds without local disks."
    )
    export_worker_volume_type: str | None = Field(
        default=None, title="Worker volume type", description="Volume type of the worker's own boot volume."
    )
    export_worker_volume_size: int = Field(
        default=10, gt=0, title="Worker volume size", description="GiB of the worker's own boot volume."
    )
    export_interim_volume_type: str | None = Field(
        None,
        title="Interim volume type",
        description="Volume type of the temporary clones; empty: that of the original volume.",
    )


class SwiftBackupsOptions(OptionModel):
    """Of exports through cinder-backup in Swift."""

    volume_backups_container: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern="^[^/]+$",
        title="Backups container",
        description="Swift container of the backups; empty: Cinder's own.",
    )


class SourceEnvironment(OptionModel):
    """Parameters of an export."""

    replica_export_mechanism: Mechanism = Field(
        default=DEFAULT_MECHANISM,
        title="Export mechanism",
        description="How disks are read: coriolis_backups (a worker VM reads clones of snapshots), swift_backups "
        "(Cinder backups in Swift), ceph_backups (Cinder backups in Ceph) or ceph_snapshots (Cinder snapshots in "
        "Ceph). The last two need ceph_options in the endpoint's connection info.",
    )
    coriolis_backups_options: CoriolisBackupsOptions = Field(
        default=CoriolisBackupsOptions.model_validate({}),
        title="Coriolis backups options",
        description="Of the export worker.",
    )
    swift_backups_options: SwiftBackupsOptions = Field(
        default=SwiftBackupsOptions.model_validate({}),
        title="Swift backups options",
        description="Of exports through Swift.",
    )
    guest_quiesce: Quiesce = Field(
        default="auto",
        title="Quiesce the guest",
        description="Whether the guest's file systems are frozen by its QEMU guest agent while its volumes are "
        "snapshotted together: auto (where the image of the instance has hw_qemu_guest_agent=yes), required (or no "
        "transfer; the image must have os_require_quiesce=yes too), off.",
    )
    custom_os_type_map: dict[str, OsType] = Field(
        default_factory=dict,
        title="OS type map",
        description="os_distro of images to OS type, for distributions that are not known here.",
    )
    guest_os_type: OsType | None = Field(
        default=None,
        title="Guest OS type",
        description="Of the instances of this transfer; empty: what their images tell.",
    )
    guest_firmware_type: Firmware | None = Field(
        default=None,
        title="Guest firmware",
        description="BIOS or EFI, for instances whose images do not tell that they boot by UEFI.",
    )


def source_environment(env: Environment) -> SourceEnvironment:
    """Raises InvalidInput naming the option."""
    return SourceEnvironment.parse(env, "Source environment")
