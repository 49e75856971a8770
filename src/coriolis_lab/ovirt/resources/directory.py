"""Users, groups, roles and permissions: the one administrator that engine-setup makes, who may do everything."""

from dataclasses import dataclass

from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.root import ADMIN_ID
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Handler, Reply, empty_list, found, get

EVERYONE_ID = "eee00000-0000-0000-0000-123456789eee"
DOMAIN_ID = "696E7465726E616C2D617574687A"
SUPER_USER_ID = "00000000-0000-0000-0000-000000000001"
USER_ROLE_ID = "00000000-0000-0000-0001-000000000001"
SYSTEM_PERMISSION_ID = "58ca604e-01a7-003f-01de-000000000250"


@dataclass(frozen=True)
class Named:
    """`kind` is the tag, `path` the collection's."""

    id: str
    name: str
    kind: str
    path: str


ADMIN = Named(ADMIN_ID, "admin", "user", "users")
EVERYONE = Named(EVERYONE_ID, "Everyone", "group", "groups")
DOMAIN = Named(DOMAIN_ID, "internal-authz", "domain", "domains")
ROLES = (
    Named(SUPER_USER_ID, "SuperUser", "role", "roles"),
    Named(USER_ROLE_ID, "UserRole", "role", "roles"),
)
KEYS: Keys[Named] = {
    "name": lambda record: [record.name],
    "usrname": lambda record: [record.name, f"{record.name}@internal", f"{record.name}@{DOMAIN.name}"],
    "id": lambda record: [record.id],
}


def render(record: Named) -> Element:
    fields: tuple[Element | None, ...] = ()
    links: tuple[str, ...] = ()
    if record.kind == "user":
        links = ("permissions", "roles", "tags", "sshpublickeys", "options", "eventsubscriptions")
        fields = (
            leaf("department", ""),
            leaf("domain_entry_id", record.id),
            leaf("email", ""),
            leaf("last_name", ""),
            leaf("namespace", "*"),
            leaf("principal", record.name),
            leaf("user_name", f"{record.name}@{DOMAIN.name}"),
            reference("domain", "domains", DOMAIN.id),
        )
    elif record.kind == "group":
        links = ("permissions", "roles", "tags")
        fields = (leaf("domain_entry_id", record.id), leaf("namespace", "*"))
    elif record.kind == "role":
        links = ("permits",)
        administrative = record.id == SUPER_USER_ID
        fields = (leaf("administrative", administrative), leaf("mutable", False))
    else:
        links = ("users", "groups")
    return entity(
        record.kind, f"{record.path}/{record.id}", record.id, *fields, name=record.name, links=links
    )


def render_permission(path: str) -> Element:
    """The administrator's on the whole system, as every object inherits it."""
    return entity(
        "permission",
        f"{path}/{SYSTEM_PERMISSION_ID}",
        SYSTEM_PERMISSION_ID,
        reference("role", "roles", SUPER_USER_ID),
        reference("user", "users", ADMIN_ID),
    )


def permissions(call: Call) -> Reply:
    """Of whatever the path names before its last part."""
    return listing(call, "permissions", [SYSTEM_PERMISSION_ID], lambda _: render_permission(call.path))


def _list(tag: str, records: tuple[Named, ...]) -> Handler:
    def handler(call: Call) -> Reply:
        return listing(call, tag, records, render, KEYS)

    return handler


def _show(records: tuple[Named, ...]) -> Handler:
    def handler(call: Call) -> Reply:
        record = next((record for record in records if record.id == call.ids["named"]), None)
        if record is None:
            raise gone()
        return found(render(record))

    return handler


def show_permission(call: Call) -> Reply:
    if call.ids["permission"] != SYSTEM_PERMISSION_ID:
        raise gone()
    return found(render_permission("permissions"))


def show_roles_of(call: Call) -> Reply:
    return listing(call, "roles", [ROLES[0]], render)


def render_quota(data_center_id: str) -> Element:
    """The quota that every data centre has; with the quota mode disabled it limits nothing."""
    path = f"datacenters/{data_center_id}/quotas/{data_center_id}"
    return entity(
        "quota",
        path,
        data_center_id,
        leaf("cluster_hard_limit_pct", 20),
        leaf("cluster_soft_limit_pct", 80),
        leaf("storage_hard_limit_pct", 20),
        leaf("storage_soft_limit_pct", 80),
        reference("data_center", "datacenters", data_center_id),
        name="Default",
        description="Default unlimited quota",
        links=("quotaclusterlimits", "quotastoragelimits", "permissions"),
    )


def list_quotas(call: Call) -> Reply:
    with call.engine.lock:
        if call.ids["data_center"] not in call.engine.data_centers:
            raise gone()
    return listing(call, "quotas", [call.ids["data_center"]], render_quota)


def show_quota(call: Call) -> Reply:
    with call.engine.lock:
        center = call.ids["data_center"]
        if center not in call.engine.data_centers or call.ids["quota"] != center:
            raise gone()
    return found(render_quota(center))


ROUTES = [
    get("users", _list("users", (ADMIN,))),
    get("users/{named}", _show((ADMIN,))),
    get("groups", _list("groups", (EVERYONE,))),
    get("groups/{named}", _show((EVERYONE,))),
    get("domains", _list("domains", (DOMAIN,))),
    get("roles", _list("roles", ROLES)),
    get("roles/{named}", _show(ROLES)),
    get("permissions", permissions),
    get("permissions/{permission}", show_permission),
    get("datacenters/{data_center}/quotas", list_quotas),
    get("datacenters/{data_center}/quotas/{quota}", show_quota),
    *(get(f"{owner}/{{named}}/permissions", permissions) for owner in ("users", "groups")),
    *(get(f"{owner}/{{named}}/roles", show_roles_of) for owner in ("users", "groups")),
    *(get(f"{owner}/{{named}}/tags", empty_list("tags")) for owner in ("users", "groups")),
    get("users/{named}/sshpublickeys", empty_list("ssh_public_keys")),
]
