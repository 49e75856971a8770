"""Barbican v1: secrets, their payloads, and who beyond their project may read them."""

import base64
import binascii

from coriolis.model.secret import Secret
from coriolis_lab.openstack.key_manager.records import StoredSecret
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, Service, new_id, seconds

_TEXT = "text/plain"
_BYTES = "application/octet-stream"


def _create(call: Call) -> Reply:
    body = call.body if isinstance(call.body, dict) else {}
    payload, content_type = body.get("payload"), str(body.get("payload_content_type", "")).partition(";")[0]
    if not isinstance(payload, str) or not payload:
        raise ApiError(400, "Provided object does not match schema 'Secret': payload is missing.")
    if content_type not in (_TEXT, _BYTES):
        raise ApiError(400, f"payload_content_type {content_type!r} is not one of {_TEXT}, {_BYTES}.")
    made = StoredSecret(
        id=new_id(),
        project_id=call.project_id,
        creator_id=call.user_id,
        name=body.get("name"),
        content_type=content_type,
        payload=Secret(_decoded(payload, content_type).decode("latin-1")),
    )
    call.cloud.key_secrets[made.id] = made
    return Reply({"secret_ref": _ref(call, made)}, 201, {"Location": _ref(call, made)})


def _decoded(payload: str, content_type: str) -> bytes:
    if content_type == _TEXT:
        return payload.encode()
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error:
        raise ApiError(400, "Unable to decode request data.") from None


def _list(call: Call) -> Reply:
    own = [s for s in call.cloud.key_secrets.values() if s.project_id == call.project_id]
    return Reply({"secrets": [_view(call, secret) for secret in own], "total": len(own)})


def _show(call: Call) -> Reply:
    return Reply(_view(call, _readable(call)))


def _payload(call: Call) -> Reply:
    secret = _readable(call)
    if not any(kind in call.accept for kind in (secret.content_type, "*/*")):
        raise ApiError(406, f"Secret is not available as {call.accept}.")
    payload = secret.payload.reveal().encode("latin-1")
    return Reply(payload, headers={"Content-Type": f"{secret.content_type}; charset=UTF-8"})


def _delete(call: Call) -> Reply:
    secret = _readable(call)
    if secret.project_id != call.project_id:
        raise _forbidden("deletion")
    del call.cloud.key_secrets[secret.id]
    return Reply(None, 204)


def _set_acl(call: Call) -> Reply:
    secret = _found(call)
    if secret.project_id != call.project_id:
        raise _forbidden("ACL change")
    read = call.member("read")
    secret.readers = [str(user) for user in read.get("users", [])]
    secret.project_access = bool(read.get("project-access", True))
    return Reply({"acl_ref": f"{_ref(call, secret)}/acl"})


def _found(call: Call) -> StoredSecret:
    secret = call.cloud.key_secrets.get(call.ids["secret_id"])
    if secret is None:
        raise ApiError(404, "Not Found. Sorry but your secret is in another castle.")
    return secret


def _readable(call: Call) -> StoredSecret:
    """An administrator of another project reads nothing either, unless the ACL names the user."""
    secret = _found(call)
    of_project = secret.project_access and secret.project_id == call.project_id
    if not (of_project or call.user_id in (*secret.readers, secret.creator_id)):
        raise _forbidden("payload retrieval")
    return secret


def _forbidden(what: str) -> ApiError:
    return ApiError(403, f"Secret {what} attempt not allowed - please review your user/project privileges")


def _view(call: Call, secret: StoredSecret) -> Json:
    return {
        "secret_ref": _ref(call, secret),
        "name": secret.name or secret.id,
        "status": "ACTIVE",
        "secret_type": "opaque",
        "content_types": {"default": secret.content_type},
        "creator_id": secret.creator_id,
        "algorithm": None,
        "bit_length": None,
        "mode": None,
        "expiration": None,
        "created": seconds(secret.created),
        "updated": seconds(secret.created),
    }


def _ref(call: Call, secret: StoredSecret) -> str:
    return f"{call.base}/key-manager/v1/secrets/{secret.id}"


def _render(error: ApiError) -> Json:
    titles = {
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        406: "Not Acceptable",
    }
    return {"code": error.status, "title": titles.get(error.status, "Error"), "description": error.message}


SERVICE = Service(
    prefix="/key-manager",
    routes=[
        Route("POST", "/v1/secrets", _create),
        Route("GET", "/v1/secrets", _list),
        Route("GET", "/v1/secrets/{secret_id}", _show),
        Route("GET", "/v1/secrets/{secret_id}/payload", _payload),
        Route("DELETE", "/v1/secrets/{secret_id}", _delete),
        Route("PUT", "/v1/secrets/{secret_id}/acl", _set_acl),
    ],
    render=_render,
)
