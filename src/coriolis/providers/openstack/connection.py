"""The connection info of an OpenStack endpoint."""

from typing import Any, Literal

from pydantic import Field

from coriolis.providers.openstack.ceph_options import CephOptions
from coriolis.providers.schema import OptionModel, SecretText

Interface = Literal["public", "internal", "admin"]
_REGION = "Region of {} instead of region_name."
_INTERFACE = "Interface of {} instead of interface_name."


class OpenStackConnectionInfo(OptionModel):
    """How to log in, and which of the catalog's endpoints to use."""

    identity_api_version: Literal[2, 3] = Field(
        default=3, title="Identity API version", description="Version of Keystone's API."
    )
    auth_url: str = Field(
        pattern=r"^https?://", title="Authentication URL", description="Keystone's URL with its version path."
    )
    username: str = Field(min_length=1, title="User name", description="Keystone user.")
    password: SecretText = Field(title="Password", description="Password of the user.")
    project_name: str = Field(
        min_length=1, title="Project name", description="Project to migrate to or from."
    )
    user_domain_name: str = Field(
        "Default", title="User domain", description="Domain of the user (Keystone v3 only)."
    )
    project_domain_name: str = Field(
        "Default", title="Project domain", description="Domain of the project (Keystone v3 only)."
    )
    glance_api_version: Literal[1, 2] = Field(
        default=2, title="Image API version", description="Version of Glance's API."
    )
    allow_untrusted: bool = Field(
        default=False, title="Allow untrusted", description="Do not check the certificates of the services."
    )
    allow_untrusted_swift: bool = Field(
        default=False,
        title="Allow untrusted Swift",
        description="Do not check the certificate of Swift's proxy.",
    )
    region_name: str | None = Field(
        default=None, title="Region", description="Region of all services; empty: the only one."
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
