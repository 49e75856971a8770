"""Keystone v2.0: tenants instead of projects, no domains, and a catalog with publicURL, internalURL and adminURL."""

from typing import Any

from coriolis_lab.openstack.identity.catalog import v2_catalog
from coriolis_lab.openstack.records import Project, Token, User
from coriolis_lab.openstack.releases import Release
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, seconds, unauthorized


def has_v2(release: Release) -> bool:
    return 2 in release.identity


def version(call: Call) -> Json:
    return {
        "id": "v2.0",
        "status": "deprecated",
        "updated": "2016-08-04T00:00:00Z",
        "links": [
            {"rel": "self", "href": f"{call.base}/identity/v2.0/"},
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v2.0+json"}],
    }


def _version(call: Call) -> Reply:
    return Reply({"version": version(call)})


def _issue(call: Call) -> Reply:
    auth = call.member("auth")
    if "passwordCredentials" in auth:
        user, methods = _by_password(call, auth["passwordCredentials"]), ("password",)
    elif "token" in auth:
        user, methods = _by_token(call, auth["token"]), ("token",)
    else:
        raise ApiError(
            400, "Expecting to find passwordCredentials or token in auth. The server could not comply with the "
            "request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
        )  # fmt: skip
    tenant = _tenant(call, auth)
    if user is None or (tenant is not None and tenant.id not in user.roles):
        raise unauthorized(call.base)
    return Reply({"access": _access(call, call.cloud.realm.issue_token(user, tenant, methods))})


def _by_password(call: Call, given: Any) -> User | None:
    if not isinstance(given, dict) or not isinstance(given.get("password"), str):
        raise ApiError(400, "Expecting to find username or userId in passwordCredentials.")
    user = call.cloud.users.get(str(given.get("userId")))
    if user is None:
        user = next((u for u in call.cloud.users.values() if u.name == given.get("username")), None)
    return user if user and user.password.reveal() == given["password"] else None


def _by_token(call: Call, given: Any) -> User | None:
    token = call.cloud.realm.find_token(str(given.get("id"))) if isinstance(given, dict) else None
    return token.user if token else None


def _tenant(call: Call, auth: Json) -> Project | None:
    """None: the token is unscoped. Raises 401 for one that does not exist, without saying so."""
    name, tenant_id = auth.get("tenantName"), auth.get("tenantId")
    if not name and not tenant_id:
        return None
    for project in call.cloud.projects.values():
        if project.id == tenant_id or (not tenant_id and project.name == name):
            return project
    raise unauthorized(call.base)


def _access(call: Call, token: Token) -> Json:
    shown: Json = {
        "id": token.id.reveal(),
        "issued_at": seconds(token.issued),
        "expires": seconds(token.expires),
        "audit_ids": [token.audit_id],
    }
    if token.project is not None:
        shown["tenant"] = _tenant_view(token.project)
    roles = [{"name": role} for role in token.roles]
    user = {"id": token.user.id, "name": token.user.name, "username": token.user.name}
    return {
        "token": shown,
        "user": {**user, "roles": roles, "roles_links": []},
        "serviceCatalog": v2_catalog(call.cloud, call.origin, token.project),
        "metadata": {"is_admin": 0, "roles": [role.rjust(32, "0") for role in token.roles]},
    }


def _tenant_view(project: Project) -> Json:
    return {"id": project.id, "name": project.name, "description": project.description, "enabled": True}


def _tenants(call: Call) -> Reply:
    mine = [p for p in call.cloud.projects.values() if p.id in call.token.user.roles]
    return Reply({"tenants": [_tenant_view(project) for project in mine], "tenants_links": []})


ROUTES = [
    Route("GET", "/v2.0", _version, public=True, of_release=has_v2),
    Route("GET", "/v2.0/", _version, public=True, of_release=has_v2),
    Route("POST", "/v2.0/tokens", _issue, public=True, of_release=has_v2),
    Route("GET", "/v2.0/tenants", _tenants, of_release=has_v2),
]
