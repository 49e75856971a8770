"""/os-keypairs"""

import base64
import binascii
import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from coriolis_lab.openstack.compute.bodies import check_fields, invalid_field, required_text
from coriolis_lab.openstack.paging import next_link, page
from coriolis_lab.openstack.records import Keypair
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, micros


def _view(call: Call, key: Keypair) -> Json:
    view: Json = {"name": key.name, "public_key": key.public_key, "fingerprint": key.fingerprint}
    if call.at_least(2):
        view["type"] = key.type
    return view


def _owner(call: Call) -> str:
    """Since 2.10 an administrator may ask for another user's."""
    wanted = call.query.get("user_id") if call.at_least(10) else None
    if wanted and wanted != call.user_id and not call.is_admin:
        raise ApiError(403, "Policy doesn't allow os_compute_api:os-keypairs:index to be performed.")
    return wanted or call.user_id


def _list(call: Call) -> Reply:
    owner = _owner(call)
    keys = sorted((k for k in call.cloud.keypairs.values() if k.user_id == owner), key=lambda key: key.name)
    more = False
    if call.at_least(35):
        keys, more = page(call, keys, [key.name for key in keys])
    body: Json = {"keypairs": [{"keypair": _view(call, key)} for key in keys]}
    if more:
        body["keypairs_links"] = next_link(call, keys[-1].name)
    return Reply(body)


def _find(call: Call) -> Keypair:
    key = call.cloud.keypairs.get((_owner(call), call.ids["name"]))
    if key is None:
        raise ApiError(404, f"Keypair {call.ids['name']} not found for user {_owner(call)}")
    return key


def _show(call: Call) -> Reply:
    key = _find(call)
    view = {
        **_view(call, key),
        "user_id": key.user_id,
        "created_at": micros(key.created),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
        "id": 1,
    }
    return Reply({"keypair": view})


def _create(call: Call) -> Reply:
    """With `public_key` an import; without it (until 2.91) Nova makes the key and answers the private one
    once."""
    given = call.member("keypair")
    allowed = {"name", "public_key"}
    allowed |= {"type"} if call.at_least(2) else set()
    allowed |= {"user_id"} if call.at_least(10) else set()
    check_fields("keypair", given, allowed)
    name = required_text("keypair", given, "name")
    kind = given.get("type", "ssh")
    if kind not in {"ssh", "x509"}:
        raise invalid_field("type", kind, f"'{kind}' is not one of ['ssh', 'x509']")
    public, private = given.get("public_key"), None
    if public is None:
        if call.at_least(92):
            raise invalid_field("keypair", given, "'public_key' is a required property")
        if kind == "x509":
            raise ApiError(400, "The lab makes no x509 key pairs; import one.")
        public, private = _generate()
    if (call.user_id, name) in call.cloud.keypairs:
        raise ApiError(409, f"Key pair '{name}' already exists.")
    mine = sum(user_id == call.user_id for user_id, _name in call.cloud.keypairs)
    if 0 <= call.cloud.quota(call.project_id).compute["key_pairs"] <= mine:
        raise ApiError(403, "Quota exceeded, too many key pairs.")
    key = Keypair(name, call.user_id, kind, public, _fingerprint(kind, public))
    call.cloud.keypairs[call.user_id, name] = key
    view = {**_view(call, key), "user_id": call.user_id}
    if private:
        view["private_key"] = private
    return Reply({"keypair": view}, 201 if call.at_least(2) else 200)


def _generate() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f"{public.decode()} Generated-by-Nova", private.decode()


def _fingerprint(kind: str, public: str) -> str:
    try:
        blob = public.encode() if kind == "x509" else base64.b64decode(str(public).split()[1], validate=True)
    except (IndexError, binascii.Error, UnicodeError):
        raise ApiError(400, "Keypair data is invalid: failed to generate fingerprint") from None
    digest = hashlib.sha1(blob) if kind == "x509" else hashlib.md5(blob)  # noqa: S324  # what Nova shows, not security
    return digest.digest().hex(":")


def _delete(call: Call) -> Reply:
    key = _find(call)
    del call.cloud.keypairs[key.user_id, key.name]
    return Reply(None, 204 if call.at_least(2) else 202)


ROUTES = [
    Route("GET", "/v2.1/os-keypairs", _list),
    Route("POST", "/v2.1/os-keypairs", _create),
    Route("GET", "/v2.1/os-keypairs/{name}", _show),
    Route("DELETE", "/v2.1/os-keypairs/{name}", _delete),
]
