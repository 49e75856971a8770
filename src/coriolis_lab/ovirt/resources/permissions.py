"""Permissions: a role for a user or a group, on one object or on all of the system."""

from coriolis_lab.ovirt.administration import Permission
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, reference
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, missing
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.roles import SYSTEM_PERMISSION_ID
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, get, post, removed

# collections whose entities have permissions -> the tag of one, as a permission refers to it
OWNERS = {
    "vms": "vm",
    "templates": "template",
    "hosts": "host",
    "clusters": "cluster",
    "datacenters": "data_center",
    "storagedomains": "storage_domain",
    "disks": "disk",
    "vmpools": "vm_pool",
}
# these have permissions too, but a permission does not tell them
MORE_OWNERS = (
    "networks",
    "vnicprofiles",
    "diskprofiles",
    "cpuprofiles",
    "macpools",
    "instancetypes",
)
HOLDERS = {"users": "user", "groups": "group"}


def render(permission: Permission, path: str) -> Element:
    """`path` of the list in which it stands."""
    collection, _, identifier = permission.path.partition("/")
    target = OWNERS.get(collection)
    return entity(
        "permission",
        f"{path}/{permission.id}",
        permission.id,
        reference(target, collection, identifier) if target else None,
        reference("role", "roles", permission.role_id),
        reference(HOLDERS[permission.holder], permission.holder, permission.holder_id),
    )


def _place(call: Call) -> str:
    """The path above the list: of an object, of a user or group, empty for the whole system."""
    above, _, _rest = call.path.partition("permissions")
    return above.strip("/")


def _here(call: Call) -> list[Permission]:
    """Of an object its own and what it inherits from the system; of a holder those that it has."""
    engine, place = call.engine, _place(call)
    engine.require({name: value for name, value in call.ids.items() if name != "permission"})
    collection, _, identifier = place.partition("/")
    if collection in HOLDERS:
        if identifier not in (engine.users if collection == "users" else engine.groups):
            raise gone()
        return [one for one in engine.permissions.values() if one.holder_id == identifier]
    if not place:
        return [one for one in engine.permissions.values() if not one.path]
    return [one for one in engine.permissions.values() if one.path in ("", place)]


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        path = f"{_place(call)}/permissions".strip("/")
        return listing(call, "permissions", _here(call), lambda one: render(one, path))


def _permission(call: Call) -> Permission:
    for one in _here(call):
        if one.id == call.ids["permission"]:
            return one
    raise gone()


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(_permission(call), f"{_place(call)}/permissions".strip("/")))


def add(call: Call) -> Reply:
    """Below an object: for which user or group. Below those: on which object. At the top: both, or the system."""
    engine, body = call.engine, call.document
    with engine.lock:
        _here(call)
        place = _place(call)
        collection, _, identifier = place.partition("/")
        role = _role_id(engine, body.find("role"))
        if collection in HOLDERS:
            permission = Permission(new_id(), role, collection, identifier, _object(body))
        else:
            holder, holder_id = _holder(engine, body)
            permission = Permission(new_id(), role, holder, holder_id, place or _object(body))
        engine.permissions[permission.id] = permission
        return Reply(201, render(permission, f"{place}/permissions".strip("/")))


def _role_id(engine: Engine, node: Node | None) -> str:
    if node is None or not (node.id or node.string("name")):
        raise incomplete("Permission", "role.id", "add")
    for role in engine.roles.values():
        if node.id == role.id or (node.id is None and node.string("name") == role.name):
            return role.id
    raise missing(f"Role: {node.id or node.string('name')}")


def _holder(engine: Engine, body: Node) -> tuple[str, str]:
    for collection, tag in HOLDERS.items():
        node = body.find(tag)
        if node is not None and node.id:
            if node.id not in (engine.users if collection == "users" else engine.groups):
                raise missing(f"{tag.title()}: id={node.id}")
            return collection, node.id
    raise incomplete("Permission", "user|group.id", "add")


def _object(body: Node) -> str:
    for collection, tag in OWNERS.items():
        node = body.find(tag)
        if node is not None and node.id:
            return f"{collection}/{node.id}"
    return ""


def remove(call: Call) -> Reply:
    with call.engine.lock:
        permission = _permission(call)
        if permission.id == SYSTEM_PERMISSION_ID:
            raise conflict("Cannot remove internal admin user or its permissions.")
        place = _place(call)
        if place.partition("/")[0] not in HOLDERS and place != permission.path:
            raise conflict("Cannot remove inherited permission")
        call.engine.permissions.pop(permission.id)
        return removed(call, call.done("Removing a permission"))


def _routes(path: str) -> list[ApiRoute]:
    return [
        get(path, list_all),
        post(path, add),
        get(f"{path}/{{permission}}", show),
        delete(f"{path}/{{permission}}", remove),
    ]


# the variable's name is what `Engine.require` looks for
_VARIABLES = {
    "vms": "vm",
    "templates": "template",
    "hosts": "host",
    "clusters": "cluster",
    "datacenters": "data_center",
    "storagedomains": "domain",
    "disks": "disk",
    "vmpools": "pool",
    "networks": "network",
}
ROUTES: list[ApiRoute] = [
    *_routes("permissions"),
    *(
        route
        for owner in (*OWNERS, *MORE_OWNERS, *HOLDERS)
        for route in _routes(f"{owner}/{{{_VARIABLES.get(owner, 'owner')}}}/permissions")
    ),
    *_routes("datacenters/{data_center}/quotas/{quota}/permissions"),
]
