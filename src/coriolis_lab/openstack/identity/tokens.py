"""POST, GET, HEAD and DELETE /v3/auth/tokens, and what a token tells about its bearer."""

from typing import Any

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.identity.application_credentials import by_application_credential
from coriolis_lab.openstack.identity.catalog import catalog
from coriolis_lab.openstack.records import Project, Token, User
from coriolis_lab.openstack.web import (
    ApiError,
    Call,
    Json,
    Reply,
    Route,
    micros,
    unauthorized,
)

DOMAIN: Json = {"id": "default", "name": "Default"}


def _issue(call: Call) -> Reply:
    auth = call.member("auth")
    identity = auth.get("identity")
    methods = identity.get("methods") if isinstance(identity, dict) else None
    if not isinstance(identity, dict) or not isinstance(methods, list) or not methods:
        raise ApiError(400, "Invalid input for field 'auth': 'identity' is a required property")
    if methods == ["application_credential"]:
        token = _with_application_credential(call, identity, auth.get("scope"))
    else:
        user = _authenticate(call, identity, methods)
        project = _scope(call, user, auth.get("scope"))
        token = call.cloud.realm.issue_token(user, project, tuple(methods))
    headers = {"X-Subject-Token": token.id.reveal(), "Vary": "X-Auth-Token"}
    return Reply({"token": token_view(call.cloud, call.origin, token)}, 201, headers)


def _with_application_credential(call: Call, identity: Json, scope: Any) -> Token:
    """Scoped to the credential's project, and to nothing else."""
    credential = by_application_credential(call, identity.get("application_credential"))
    if credential is None or scope is not None:
        raise unauthorized(call.base)
    return call.cloud.realm.issue_token(
        credential.user, credential.project, ("application_credential",), credential
    )


def _authenticate(call: Call, identity: Json, methods: list[str]) -> User:
    """Every named method must agree; the last one tells who it is."""
    user: User | None = None
    for method in methods:
        user = _METHODS[method](call, identity.get(method)) if method in _METHODS else None
        if user is None:
            break
    if user is None:
        raise unauthorized(call.base)
    return user


def _by_password(call: Call, given: Any) -> User | None:
    wanted = given.get("user") if isinstance(given, dict) else None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("password"), str):
        raise ApiError(400, "Invalid input for field 'password': 'user' is a required property")
    user = call.cloud.users.get(str(wanted.get("id")))
    if user is None and in_default_domain(wanted):
        user = next((u for u in call.cloud.users.values() if u.name == wanted.get("name")), None)
    return user if user and user.password.reveal() == wanted["password"] else None


def _by_token(call: Call, given: Any) -> User | None:
    token = call.cloud.realm.find_token(str(given.get("id"))) if isinstance(given, dict) else None
    return token.user if token else None


_METHODS = {"password": _by_password, "token": _by_token}


def in_default_domain(wanted: Json) -> bool:
    domain = wanted.get("domain")
    if not isinstance(domain, dict):
        return False
    return DOMAIN["id"] == domain.get("id") or bool(DOMAIN["name"] == domain.get("name"))


def _scope(call: Call, user: User, scope: Any) -> Project | None:
    if scope is None:
        return call.cloud.projects.get(user.default_project_id or "")
    if scope == "unscoped" or (isinstance(scope, dict) and "unscoped" in scope):
        return None
    wanted = scope.get("project") if isinstance(scope, dict) else None
    if not isinstance(wanted, dict):
        raise unauthorized(call.base)  # domain and system scopes: nobody has a role there
    project = find_project(call.cloud, wanted)
    if project is None or project.id not in user.roles:
        raise unauthorized(call.base)
    return project


def find_project(cloud: Cloud, wanted: Json) -> Project | None:
    if "id" in wanted:
        return cloud.projects.get(str(wanted["id"]))
    if not in_default_domain(wanted):
        return None
    return next((p for p in cloud.projects.values() if p.name == wanted.get("name")), None)


def token_view(cloud: Cloud, origin: str, token: Token) -> Json:
    view: Json = {
        "methods": list(token.methods),
        "user": {"domain": DOMAIN, "id": token.user.id, "name": token.user.name, "password_expires_at": None},
        "audit_ids": [token.audit_id],
        "expires_at": f"{micros(token.expires)}Z",
        "issued_at": f"{micros(token.issued)}Z",
    }
    if credential := token.application_credential:
        named = {"id": credential.id, "name": credential.name, "restricted": True}
        view["application_credential"] = named
    if token.project:
        view["project"] = {"domain": DOMAIN, "id": token.project.id, "name": token.project.name}
        view["is_domain"] = False
        view["roles"] = [{"id": role.rjust(32, "0"), "name": role} for role in token.roles]
        view["catalog"] = catalog(cloud, origin, token.project)
    return view


def _subject(call: Call) -> Token:
    token = call.cloud.realm.find_token(call.subject_header or "")
    if token is None and call.is_admin:
        raise ApiError(404, "This is not a recognized Fernet token")
    if token is None or (token.user is not call.token.user and not call.is_admin):
        raise ApiError(
            403, "You are not authorized to perform the requested action: identity:validate_token."
        )
    return token


def _show(call: Call) -> Reply:
    token = _subject(call)
    headers = {"X-Subject-Token": token.id.reveal(), "Vary": "X-Auth-Token"}
    return Reply({"token": token_view(call.cloud, call.origin, token)}, 200, headers)


def _revoke(call: Call) -> Reply:
    call.cloud.realm.revoke_token(_subject(call).id.reveal())
    return Reply(None, 204)


def _catalog(call: Call) -> Reply:
    return Reply(
        {
            "catalog": catalog(call.cloud, call.origin, call.token.project),
            "links": {"self": call.base + call.path},
        }
    )


ROUTES = [
    Route("POST", "/v3/auth/tokens", _issue, public=True),
    Route("GET", "/v3/auth/tokens", _show),
    Route("HEAD", "/v3/auth/tokens", _show),
    Route("DELETE", "/v3/auth/tokens", _revoke),
    Route("GET", "/v3/auth/catalog", _catalog),
]
