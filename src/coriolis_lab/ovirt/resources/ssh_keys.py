"""A user's public SSH keys, for serial consoles."""

from coriolis_lab.ovirt.administration import SshKey, User
from coriolis_lab.ovirt.engine import new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, post, put, removed


def _user(call: Call) -> User:
    user = call.engine.users.get(call.ids["owner"])
    if user is None:
        raise gone()
    return user


def _render(call: Call, key: SshKey) -> Element:
    owner = call.ids["owner"]
    path = f"users/{owner}/sshpublickeys/{key.id}"
    return entity(
        "ssh_public_key", path, key.id, leaf("content", key.content), reference("user", "users", owner)
    )


def add(call: Call) -> Reply:
    with call.engine.lock:
        user, content = _user(call), call.document.string("content")
        if not content:
            raise incomplete("SshPublicKey", "content", "add")
        if not content.startswith(("ssh-", "ecdsa-")):
            raise conflict("Cannot add User Profile. The given SSH public key is invalid.")
        key = SshKey(new_id(), content)
        user.ssh_keys[key.id] = key
        return Reply(201, _render(call, key))


def _key(call: Call) -> SshKey:
    key = _user(call).ssh_keys.get(call.ids["one"])
    if key is None:
        raise gone()
    return key


def update(call: Call) -> Reply:
    with call.engine.lock:
        key = _key(call)
        key.content = call.document.string("content") or key.content
        return found(_render(call, key))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        _user(call).ssh_keys.pop(_key(call).id)
        return removed(call, call.done("Removing a public SSH key"))


KEYS = "users/{owner}/sshpublickeys"
ROUTES: list[ApiRoute] = [
    *catalog(KEYS, "ssh_public_keys", lambda call: list(_user(call).ssh_keys.values()), _render),
    post(KEYS, add),
    put(f"{KEYS}/{{one}}", update),
    delete(f"{KEYS}/{{one}}", remove),
]
