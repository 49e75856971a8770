"""/v3/users/{user}/application_credentials, and logging in with one."""

import secrets
from typing import Any

from coriolis.model.secret import Secret
from coriolis_lab.openstack.records import ApplicationCredential, User
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_hex


def by_application_credential(call: Call, given: Any) -> ApplicationCredential | None:
    """By id, or by name and user. None: there is none, or the secret is wrong."""
    if not isinstance(given, dict) or not isinstance(given.get("secret"), str):
        raise ApiError(
            400, "Invalid input for field 'application_credential': 'secret' is a required property"
        )
    known = call.cloud.realm.application_credentials
    found = known.get(str(given.get("id")))
    if found is None and "name" in given:
        found = next(
            (c for c in known.values() if c.name == given["name"] and _is(c.user, given.get("user"))), None
        )
    return found if found and secrets.compare_digest(found.secret.reveal(), given["secret"]) else None


def _is(user: User, wanted: Any) -> bool:
    return isinstance(wanted, dict) and (wanted.get("id") == user.id or wanted.get("name") == user.name)


def _view(call: Call, credential: ApplicationCredential) -> Json:
    path = f"/identity/v3/users/{credential.user.id}/application_credentials/{credential.id}"
    return {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "project_id": credential.project.id,
        "roles": [{"id": role.rjust(32, "0"), "name": role, "domain_id": None} for role in credential.roles],
        "expires_at": None,
        "unrestricted": False,
        "links": {"self": call.base + path},
    }


def _own(call: Call) -> User:
    user = call.cloud.users.get(call.ids["user"])
    if user is not call.token.user or user is None:
        raise _forbidden("application_credentials")
    return user


def _forbidden(action: str) -> ApiError:
    return ApiError(
        403, f"You are not authorized to perform the requested action: identity:{action}.", "Forbidden"
    )


def _create(call: Call) -> Reply:
    """Not by a token that came from an application credential: those are restricted."""
    user, project = _own(call), call.token.project
    if call.token.application_credential is not None or project is None:
        raise _forbidden("create_application_credential")
    given = call.member("application_credential")
    if not given.get("name"):
        raise ApiError(400, "Invalid input for field 'name': 'name' is a required property")
    known = call.cloud.realm.application_credentials
    if any(c.user is user and c.name == given["name"] for c in known.values()):
        raise ApiError(
            409, "Conflict occurred attempting to store application_credential - Duplicate entry found with name "
            f"{given['name']}."
        )  # fmt: skip
    wanted = tuple(role.get("name") for role in given.get("roles") or ())
    if not set(wanted) <= set(call.token.roles):
        raise ApiError(400, "Invalid application credential: Could not find role assignment with role.")
    made = ApplicationCredential(
        id=new_hex(),
        name=str(given["name"]),
        secret=Secret(str(given.get("secret") or secrets.token_urlsafe(64))),
        user=user,
        project=project,
        roles=wanted or call.token.roles,
        description=given.get("description"),
    )
    known[made.id] = made
    shown = {**_view(call, made), "secret": made.secret.reveal()}  # this once
    return Reply({"application_credential": shown}, 201)


def _list(call: Call) -> Reply:
    user = _own(call)
    mine = [c for c in call.cloud.realm.application_credentials.values() if c.user is user]
    return Reply({"application_credentials": [_view(call, c) for c in mine], "links": {"next": None}})


def _find(call: Call) -> ApplicationCredential:
    user = _own(call)
    found = call.cloud.realm.application_credentials.get(call.ids["id"])
    if found is None or found.user is not user:
        raise ApiError(404, f"Could not find Application Credential: {call.ids['id']}.")
    return found


def _show(call: Call) -> Reply:
    return Reply({"application_credential": _view(call, _find(call))})


def _delete(call: Call) -> Reply:
    call.cloud.realm.remove_application_credential(_find(call))
    return Reply(None, 204)


_PATH = "/v3/users/{user}/application_credentials"
ROUTES = [
    Route("POST", _PATH, _create),
    Route("GET", _PATH, _list),
    Route("GET", _PATH + "/{id}", _show),
    Route("DELETE", _PATH + "/{id}", _delete),
]
