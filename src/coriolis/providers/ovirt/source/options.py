"""The source environment of an oVirt endpoint."""

from pydantic import Field

from coriolis.config import OvirtSection
from coriolis.providers.base import Environment
from coriolis.providers.schema import OptionModel


class SourceEnvironment(OptionModel):
    """Parameters of an export. What is left out comes from [ovirt_migration_provider] in coriolis.conf."""

    automatically_enable_incremental_backups: bool = Field(
        default=False,
        title="Enable incremental backups",
        description="Let the engine record what changes on the VM's disks. A raw disk gets a snapshot for that, which "
        "stays on the VM. Without it such disks are read in full each time, though only changes are sent.",
    )


def source_environment(env: Environment, section: OvirtSection) -> SourceEnvironment:
    """Raises InvalidInput naming the option."""
    name = "automatically_enable_incremental_backups"
    known = {name: section.auto_enable_incremental_backups}
    given = {key: value for key, value in env.items() if value is not None}
    return SourceEnvironment.parse({**known, **given}, "Source environment")
