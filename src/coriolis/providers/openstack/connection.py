"""The connection info of an OpenStack endpoint."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from coriolis.model.secret import Secret
from coriolis.providers.openstack.ceph_options import CephOptions
from coriolis.providers.openstack.clouds_yaml import read_cloud
from coriolis.providers.schema import OptionModel, SecretText

Interface = Literal["public", "internal", "admin"]
_REGION = "Region of {} instead of region_name."
_INTERFACE = "Interface of {} instead of interface_name."
_ONLY_V3 = "(Keystone v3 only)"
_WAYS_TO_LOG_IN: list[JsonValue] = [
    {"required": ["auth_url", "username", "password", "project_name"]},
    {"required": ["auth_url", "application_credential_secret"]},
    {"required": ["auth_url", "password"]},  # with ids in place of names
    {"required": ["clouds_yaml"]},
]


class OpenStackConnectionInfo(OptionModel):
    """How to log in, and which of the catalog's endpoints to use."""

    model_config = ConfigDict(json_schema_extra={"required": [], "anyOf": _WAYS_TO_LOG_IN})

    identity_api_version: Literal[2, 3] = Field(
        default=3, title="Identity API version", description="Version of Keystone's API."
    )
    auth_url: str = Field(
        pattern=r"^https?://[^/]+",
        title="Authentication URL",
        description="Keystone's URL with its version path: /v3 or /v2.0.",
    )
    username: str | None = Field(default=None, min_length=1, title="User name", description="Keystone user.")
    password: SecretText | None = Field(default=None, title="Password", description="Password of the user.")
    project_name: str | None = Field(
        default=None, min_length=1, title="Project name", description="Project to migrate to or from."
    )
    user_domain_name: str = Field(
        default="Default", title="User domain", description=f"Domain of the user {_ONLY_V3}."
    )
    project_domain_name: str = Field(
        default="Default", title="Project domain", description=f"Domain of the project {_ONLY_V3}."
    )
    user_id: str | None = Field(
        default=None, title="User id", description="Instead of the user's name and domain."
    )
    user_domain_id: str | None = Field(
        default=None, title="User domain id", description=f"Instead of user_domain_name {_ONLY_V3}."
    )
    project_id: str | None = Field(
        default=None, title="Project id", description="Instead of the project's name and domain."
    )
    project_domain_id: str | None = Field(
        default=None, title="Project domain id", description=f"Instead of project_domain_name {_ONLY_V3}."
    )
    application_credential_id: str | None = Field(
        default=None,
        title="Application credential id",
        description=f"Log in with an application credential instead of a password {_ONLY_V3}; it holds the "
        "project too.",
    )
    application_credential_name: str | None = Field(
        default=None,
        title="Application credential name",
        description="Instead of its id, together with the user it belongs to.",
    )
    application_credential_secret: SecretText | None = Field(
        default=None, title="Application credential secret", description="Shown once, when it was made."
    )
    clouds_yaml: SecretText | None = Field(
        default=None,
        title="clouds.yaml",
        description="Contents of a clouds.yaml. What is given beside it comes before what stands in it.",
    )
    cloud_name: str | None = Field(
        default=None, title="Cloud", description="Which cloud of clouds.yaml, where it has several."
    )
    glance_api_version: Literal[1, 2] = Field(
        default=2, title="Image API version", description="Version of Glance's API."
    )
    allow_untrusted: bool = Field(
        default=False,
        title="Allow untrusted",
        description="Do not check the certificates of Keystone and the other services (but Swift).",
    )
    allow_untrusted_swift: bool = Field(
        default=False,
        title="Allow untrusted Swift",
        description="Do not check the certificate of Swift's proxy.",
    )
    ca_file: str | None = Field(
        default=None,
        title="CA file",
        description="On the conductors: PEM file with the authorities to trust instead of the system's.",
    )
    region_name: str | None = Field(
        default=None, title="Region", description="Region of all services; empty: the first in the catalog."
    )
    nova_region_name: str | None = Field(
        default=None, title="Nova region", description=_REGION.format("Nova")
    )
    neutron_region_name: str | None = Field(
        default=None, title="Neutron region", description=_REGION.format("Neutron")
    )
    glance_region_name: str | None = Field(
        default=None, title="Glance region", description=_REGION.format("Glance")
    )
    cinder_region_name: str | None = Field(
        default=None, title="Cinder region", description=_REGION.format("Cinder")
    )
    swift_region_name: str | None = Field(
        default=None, title="Swift region", description=_REGION.format("Swift")
    )
    interface_name: Interface = Field(
        default="public", title="Interface", description="Which URLs of the catalog to use for all services."
    )
    nova_interface_name: Interface | None = Field(
        default=None, title="Nova interface", description=_INTERFACE.format("Nova")
    )
    neutron_interface_name: Interface | None = Field(
        default=None, title="Neutron interface", description=_INTERFACE.format("Neutron")
    )
    glance_interface_name: Interface | None = Field(
        default=None, title="Glance interface", description=_INTERFACE.format("Glance")
    )
    cinder_interface_name: Interface | None = Field(
        default=None, title="Cinder interface", description=_INTERFACE.format("Cinder")
    )
    swift_interface_name: Interface | None = Field(
        default=None, title="Swift interface", description=_INTERFACE.format("Swift")
    )
    ceph_options: CephOptions | None = Field(
        default=None, title="Ceph options", description="Direct access to the Ceph cluster behind Cinder."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_clouds_yaml(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not values.get("clouds_yaml"):
            return values
        text = values["clouds_yaml"]
        found = read_cloud(text.reveal() if isinstance(text, Secret) else str(text), values.get("cloud_name"))
        return {**found, **values}

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        path = self.auth_url.rstrip("/").rpartition("/")[2].lower()
        if (path == "v3" and self.identity_api_version == 2) or (
            path == "v2.0" and self.identity_api_version == 3
        ):
            raise ValueError(
                f"auth_url ends in /{path}, but identity_api_version is {self.identity_api_version}"
            )
        if self.uses_application_credential:
            self._check_application_credential()
            return self
        if self.username is None and self.user_id is None:
            raise ValueError("username is needed, or user_id, an application credential or clouds_yaml")
        if self.password is None:
            raise ValueError("password is needed, or application_credential_secret or clouds_yaml")
        if self.project_name is None and self.project_id is None:
            raise ValueError("project_name is needed, or project_id")
        return self

    def _check_application_credential(self) -> None:
        if self.identity_api_version == 2:
            raise ValueError("application credentials need identity_api_version 3")
        if self.application_credential_secret is None:
            raise ValueError("application_credential_secret is needed")
        if self.application_credential_id is None:
            if self.application_credential_name is None:
                raise ValueError("application_credential_id is needed, or application_credential_name")
            if self.username is None and self.user_id is None:
                raise ValueError("application_credential_name needs the username that it belongs to")

    @property
    def uses_application_credential(self) -> bool:
        return any(
            value is not None
            for value in (
                self.application_credential_id,
                self.application_credential_name,
                self.application_credential_secret,
            )
        )

    @property
    def login_name(self) -> str:
        """Whom messages speak of."""
        return (
            self.username
            or self.user_id
            or f"application credential {self.application_credential_name or self.application_credential_id}"
        )

    def service_overrides(self) -> dict[str, Any]:
        """openstacksdk's keys ("compute_region_name") for what is set per service."""
        found = {}
        for ours, sdk in SDK_SERVICES.items():
            for ending, key in (("region_name", "region_name"), ("interface_name", "interface")):
                value = getattr(self, f"{ours}_{ending}")
                if value:
                    found[f"{sdk}_{key}"] = value
        return found


SDK_SERVICES = {
    "nova": "compute",
    "neutron": "network",
    "glance": "image",
    "cinder": "block_storage",
    "swift": "object_store",
}
