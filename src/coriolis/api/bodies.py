"""Request bodies. A null means the same as a field left out; a field nobody knows is refused by name."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from coriolis.model.bandwidth import parse_bandwidth
from coriolis.model.enums import Scenario

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(min_length=1)]


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


def _or_empty_list(value: Any) -> Any:
    return [] if value is None else value


def _or_false(value: Any) -> Any:
    return False if value is None else value


def _or_true(value: Any) -> Any:
    return True if value is None else value


def _understood(limit: str) -> str:
    if limit != AS_SETTINGS:
        parse_bandwidth(limit)
    return limit


def own_limit(limit: str | None) -> str | None:
    """As it is stored: None is what the settings say."""
    return None if limit == AS_SETTINGS else limit


AS_SETTINGS = "default"
Bandwidth = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_understood)]
"""A null would mean that nothing is to change, so "default" takes an own limit back."""

JsonObject = Annotated[dict[str, Any], BeforeValidator(_or_empty)]
Names = Annotated[list[str], BeforeValidator(_or_empty_list)]
Flag = Annotated[bool, BeforeValidator(_or_false)]
Enabled = Annotated[bool, BeforeValidator(_or_true)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """The fields that the client sent and that are not null."""
        return {
            name: getattr(self, name) for name in self.model_fields_set if getattr(self, name) is not None
        }


class EndpointCreate(Body):
    name: Name
    type: Text
    description: str | None = None
    connection_info: JsonObject = Field(default_factory=dict)
    mapped_regions: Names = Field(default_factory=list)
    bandwidth_limit: Bandwidth | None = None


class EndpointCreateEnvelope(Body):
    endpoint: EndpointCreate


class EndpointUpdate(Body):
    name: Name | None = None
    type: Text | None = None
    description: str | None = None
    connection_info: dict[str, Any] | None = None
    mapped_regions: list[str] | None = None
    bandwidth_limit: Bandwidth | None = None


class EndpointUpdateEnvelope(Body):
    endpoint: EndpointUpdate


class RegionCreate(Body):
    name: Name
    description: str | None = None
    enabled: Enabled = True


class RegionCreateEnvelope(Body):
    region: RegionCreate


class RegionUpdate(Body):
    name: Name | None = None
    description: str | None = None
    enabled: bool | None = None


class RegionUpdateEnvelope(Body):
    region: RegionUpdate


class ServiceCreate(Body):
    host: Name
    binary: Word
    topic: Name
    mapped_regions: Names = Field(default_factory=list)
    enabled: Enabled = True


class ServiceCreateEnvelope(Body):
    service: ServiceCreate


class ServiceUpdate(Body):
    mapped_regions: list[str] | None = None
    enabled: bool | None = None


class ServiceUpdateEnvelope(Body):
    service: ServiceUpdate


class UserScripts(Body):
    """By OS type and by instance: a script, or a list of {phase, payload}."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    global_: JsonObject = Field(default_factory=dict, alias="global")
    instances: JsonObject = Field(default_factory=dict)


class TransferSettings(Body):
    """What an update may change."""

    notes: str | None = None
    source_environment: dict[str, Any] | None = None
    destination_environment: dict[str, Any] | None = None
    network_map: dict[str, Any] | None = None
    storage_mappings: dict[str, Any] | None = None
    user_scripts: UserScripts | None = None
    origin_minion_pool_id: str | None = None
    destination_minion_pool_id: str | None = None
    instance_osmorphing_minion_pool_mappings: dict[str, str] | None = None
    clone_disks: bool | None = None
    skip_os_morphing: bool | None = None
    bandwidth_limit: Bandwidth | None = None

    def given(self) -> dict[str, Any]:
        found = super().given()
        if self.user_scripts is not None:
            found["user_scripts"] = self.user_scripts.model_dump()
        return found


class TransferCreate(TransferSettings):
    scenario: Scenario
    origin_endpoint_id: Text
    destination_endpoint_id: Text
    instances: list[Text] = Field(min_length=1)


class TransferCreateEnvelope(Body):
    transfer: TransferCreate


class TransferUpdateEnvelope(Body):
    transfer: TransferSettings


class ExecutionCreate(Body):
    shutdown_instances: Flag = False
    auto_deploy: Flag = False


class ExecutionCreateEnvelope(Body):
    execution: Annotated[ExecutionCreate, BeforeValidator(_or_empty)]


class MigrationCreate(Body):
    """Null: as the settings, or the transfer, say."""

    max_passes: int | None = Field(default=None, ge=1, le=1000)
    small_delta_bytes: int | None = Field(default=None, ge=0, le=2**62)
    small_delta_seconds: float | None = Field(default=None, ge=0, le=1e9)
    restart_source_on_failure: bool | None = None
    skip_os_morphing: bool | None = None
    user_scripts: UserScripts | None = None
    instance_osmorphing_minion_pool_mappings: dict[str, str] | None = None


class MigrationCreateEnvelope(Body):
    migration: Annotated[MigrationCreate, BeforeValidator(_or_empty)]


class DeploymentCreate(Body):
    transfer_id: Text
    clone_disks: bool | None = None
    force: Flag = False
    skip_os_morphing: bool | None = None
    user_scripts: UserScripts | None = None
    instance_osmorphing_minion_pool_mappings: dict[str, str] | None = None


class DeploymentCreateEnvelope(Body):
    deployment: DeploymentCreate


class Cancel(Body):
    force: Flag = False


class CancelAction(Body):
    cancel: Annotated[Cancel, BeforeValidator(_or_empty)]


class ValidateConnectionAction(Body):
    validate_connection: None = Field(alias="validate-connection")


class DeleteDisksAction(Body):
    delete_disks: None = Field(alias="delete-disks")


class VerificationCreateEnvelope(Body):
    verification: None = None


class RetryCleanupAction(Body):
    retry_cleanup: None = Field(alias="retry-cleanup")
