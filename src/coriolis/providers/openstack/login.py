"""How a connection info logs in to Keystone: the plugin of keystoneauth and its arguments."""

from dataclasses import dataclass, field

from coriolis.model.secret import Secret
from coriolis.providers.openstack.connection import OpenStackConnectionInfo


@dataclass(frozen=True, slots=True)
class Login:
    """`arguments` of keystoneauth's plugin `plugin`, and those of them that are secret."""

    plugin: str
    arguments: dict[str, str]
    secrets: dict[str, Secret] = field(default_factory=dict)

    def revealed(self) -> dict[str, str]:
        return {**self.arguments, **{name: secret.reveal() for name, secret in self.secrets.items()}}


def login_of(info: OpenStackConnectionInfo) -> Login:
    if info.identity_api_version == 2:
        return Login("v2password", _v2_arguments(info), _password(info))
    if info.application_credential_secret is not None:
        secret = {"application_credential_secret": info.application_credential_secret}
        if info.application_credential_id is not None:
            who = {"application_credential_id": info.application_credential_id}
        else:
            who = {"application_credential_name": info.application_credential_name or "", **_user(info)}
        return Login("v3applicationcredential", {"auth_url": info.auth_url, **who}, secret)
    arguments = {"auth_url": info.auth_url, **_user(info), **_project(info)}
    return Login("v3password", arguments, _password(info))


def _password(info: OpenStackConnectionInfo) -> dict[str, Secret]:
    return {"password": info.password} if info.password else {}


def _v2_arguments(info: OpenStackConnectionInfo) -> dict[str, str]:
    """Keystone v2 knows no domains, and its projects are tenants."""
    url = info.auth_url.rstrip("/")
    found = {
        "auth_url": url if url.endswith("/v2.0") else f"{url}/v2.0",
        "username": None if info.user_id else info.username,
        "user_id": info.user_id,
        "tenant_name": None if info.project_id else info.project_name,
        "tenant_id": info.project_id,
    }
    return {key: value for key, value in found.items() if value is not None}


def _user(info: OpenStackConnectionInfo) -> dict[str, str]:
    if info.user_id is not None:
        return {"user_id": info.user_id}
    name = {"username": info.username or ""}
    if info.user_domain_id is not None:
        return {**name, "user_domain_id": info.user_domain_id}
    return {**name, "user_domain_name": info.user_domain_name}


def _project(info: OpenStackConnectionInfo) -> dict[str, str]:
    if info.project_id is not None:
        return {"project_id": info.project_id}
    name = {"project_name": info.project_name or ""}
    if info.project_domain_id is not None:
        return {**name, "project_domain_id": info.project_domain_id}
    return {**name, "project_domain_name": info.project_domain_name}
