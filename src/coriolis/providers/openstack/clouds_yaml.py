"""clouds.yaml, as OpenStack's own tools read it, in terms of our connection info."""

from collections.abc import Mapping
from typing import Any

import yaml

_AUTH_KEYS = {
    "auth_url": "auth_url",
    "username": "username",
    "user_id": "user_id",
    "password": "password",
    "project_name": "project_name",
    "tenant_name": "project_name",
    "project_id": "project_id",
    "tenant_id": "project_id",
    "user_domain_name": "user_domain_name",
    "user_domain_id": "user_domain_id",
    "project_domain_name": "project_domain_name",
    "project_domain_id": "project_domain_id",
    "application_credential_id": "application_credential_id",
    "application_credential_name": "application_credential_name",
    "application_credential_secret": "application_credential_secret",
}
_SERVICES = {
    "compute": "nova",
    "network": "neutron",
    "image": "glance",
    "block_storage": "cinder",
    "volume": "cinder",
    "volumev3": "cinder",
    "object_store": "swift",
}
_ENDINGS = {"region_name": "region_name", "interface": "interface_name", "endpoint_type": "interface_name"}
_AUTH_TYPES = frozenset({"password", "v2password", "v3password", "v3applicationcredential"})
# Of other services and tools, or chosen by us: without meaning for an endpoint.
_WITHOUT_EFFECT = frozenset(
    {"api_timeout", "compute_api_version", "floating_ip_source", "network_api_version", "networks"}
    | {"object_store_api_version", "volume_api_version", "block_storage_api_version", "volumev3_api_version"}
)


def read_cloud(text: str, name: str | None) -> dict[str, Any]:
    """The fields of a connection info that one cloud of the file gives. `name` may be None if there is one only.

    Raises ValueError that names keys, never values. What cannot be carried over is refused: vendor profiles would
    be fetched from the network, and other kinds of authentication need somebody at a browser.
    """
    cloud = _choose(text, name)
    found: dict[str, Any] = {}
    for key, value in _mapping(cloud.get("auth", {}), "auth").items():
        if key not in _AUTH_KEYS:
            raise ValueError(f"clouds.yaml: auth.{key} is not known here")
        found[_AUTH_KEYS[key]] = value
    for key, value in cloud.items():
        if key != "auth" and key not in _WITHOUT_EFFECT:
            found |= _setting(str(key), value)
    return found


def _choose(text: str, name: str | None) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error's own text quotes the file
        where = f" (line {mark.line + 1})" if mark else ""
        raise ValueError(f"clouds.yaml: is no YAML{where}") from None
    clouds = _mapping(_mapping(document, "the file").get("clouds", {}), "clouds")
    if not clouds:
        raise ValueError("clouds.yaml: has no clouds")
    if name is None and len(clouds) > 1:
        raise ValueError(f"cloud_name: choose one of {', '.join(sorted(map(str, clouds)))}")
    chosen = next(iter(clouds)) if name is None else name
    if chosen not in clouds:
        raise ValueError(f"cloud_name: clouds.yaml has only {', '.join(sorted(map(str, clouds)))}")
    return _mapping(clouds[chosen], f"clouds.{chosen}")


def _setting(key: str, value: Any) -> dict[str, Any]:
    if key == "auth_type":
        if value not in _AUTH_TYPES:
            raise ValueError(f"clouds.yaml: auth_type must be one of {', '.join(sorted(_AUTH_TYPES))}")
        return {"identity_api_version": 2} if value == "v2password" else {}
    if key in {"identity_api_version", "image_api_version"}:
        ours = "glance_api_version" if key.startswith("image") else key
        return {ours: _major(key, value)}
    if key in {"verify", "insecure"}:
        if not isinstance(value, bool):
            raise ValueError(f"clouds.yaml: {key} must be true or false")
        return {"allow_untrusted": value if key == "insecure" else not value}
    if key == "cacert":
        return {"ca_file": value}
    for ending, ours in _ENDINGS.items():
        if key == ending:
            return {ours: _text(key, value)}
        service = _SERVICES.get(key.removesuffix(f"_{ending}"))
        if service and key.endswith(ending):
            return {f"{service}_{ours}": _text(key, value)}
    raise ValueError(f"clouds.yaml: {key} is not known here; take it out or give it in the connection info")


def _major(key: str, value: Any) -> int:
    """3, "3", "2.0" and "v3" are all in use."""
    number = str(value).lower().removeprefix("v").partition(".")[0]
    if not number.isdigit():
        raise ValueError(f"clouds.yaml: {key} must be a version")
    return int(number)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"clouds.yaml: {key} must be a text")  # noqa: TRY004 - what pydantic reports
    return value.removesuffix("URL") if key.endswith(("interface", "endpoint_type")) else value


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"clouds.yaml: {where} must be a mapping")  # noqa: TRY004 - what pydantic reports
    return value
