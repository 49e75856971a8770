"""Users and groups that the engine knows, the directory domain they come from, and what a user keeps."""

from dataclasses import dataclass

from coriolis_lab.ovirt.administration import Group, Role, User
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import Tag
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, missing
from coriolis_lab.ovirt.resources import roles, tags
from coriolis_lab.ovirt.resources.listing import catalog, listing
from coriolis_lab.ovirt.roles import ADMIN_ID, DOMAIN_ID, DOMAIN_NAME, EVERYONE_ID
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, empty_list, found, get, post, put, removed

USER_LINKS = ("permissions", "roles", "tags", "sshpublickeys", "options", "eventsubscriptions")


@dataclass(frozen=True)
class Domain:
    id: str
    name: str


DOMAINS = (Domain(DOMAIN_ID, DOMAIN_NAME),)


def render_user(user: User, path: str = "users") -> Element:
    return entity(
        "user",
        f"{path}/{user.id}",
        user.id,
        leaf("department", user.department),
        leaf("domain_entry_id", user.id),
        leaf("email", user.email),
        leaf("last_name", user.last_name),
        leaf("namespace", user.namespace),
        leaf("principal", user.principal),
        leaf("user_name", f"{user.principal}@{DOMAIN_NAME}"),
        reference("domain", "domains", DOMAIN_ID),
        name=user.name,
        links=USER_LINKS if path == "users" else (),
    )


def render_group(group: Group, path: str = "groups") -> Element:
    return entity(
        "group",
        f"{path}/{group.id}",
        group.id,
        leaf("domain_entry_id", group.id),
        leaf("namespace", group.namespace),
        reference("domain", "domains", DOMAIN_ID),
        name=group.name,
        links=("permissions", "roles", "tags") if path == "groups" else (),
    )


def render_domain(_call: Call, domain: Domain) -> Element:
    return entity("domain", f"domains/{domain.id}", domain.id, name=domain.name, links=("users", "groups"))


USER_KEYS: Keys[User] = {
    "name": lambda record: [record.name],
    "lastname": lambda record: [record.last_name],
    "usrname": lambda record: [
        record.principal,
        f"{record.principal}@internal",
        f"{record.principal}@{DOMAIN_NAME}",
    ],
    "email": lambda record: [record.email],
    "domain": lambda _record: [DOMAIN_NAME],
    "directory": lambda _record: [DOMAIN_NAME],
    "id": lambda record: [record.id],
}
GROUP_KEYS: Keys[Group] = {
    "name": lambda record: [record.name],
    "grpname": lambda record: [record.name],
    "id": lambda record: [record.id],
}


def list_users(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "users", call.engine.users.values(), render_user, USER_KEYS)


def list_groups(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "groups", call.engine.groups.values(), render_group, GROUP_KEYS)


def _user(call: Call) -> User:
    user = call.engine.users.get(call.ids["owner"])
    if user is None:
        raise gone()
    return user


def _group(call: Call) -> Group:
    group = call.engine.groups.get(call.ids["owner"])
    if group is None:
        raise gone()
    return group


def show_user(call: Call) -> Reply:
    with call.engine.lock:
        return found(render_user(_user(call)))


def show_group(call: Call) -> Reply:
    with call.engine.lock:
        return found(render_group(_group(call)))


def _check_domain(body: Node) -> None:
    domain = body.find("domain")
    if domain is None or not (domain.id or domain.string("name")):
        return
    if domain.id not in (None, DOMAIN_ID) or domain.string("name") not in (None, "", DOMAIN_NAME):
        raise missing(f"Domain: {domain.id or domain.string('name')}")


def add_user(call: Call) -> Reply:
    """Someone of the directory becomes known to the engine. The lab's directory has everyone."""
    engine, body = call.engine, call.document
    with engine.lock:
        name = body.string("user_name") or body.string("principal")
        if not name:
            raise incomplete("User", "userName|principal", "add")
        _check_domain(body)
        principal = name.removesuffix(f"@{DOMAIN_NAME}").removesuffix("@internal")
        known = next((one for one in engine.users.values() if one.principal == principal), None)
        if known is not None:
            return Reply(201, render_user(known))
        user = User(
            new_id(), body.string("name") or principal, principal, namespace=body.string("namespace") or "*"
        )
        engine.users[user.id] = user
        return Reply(201, render_user(user))


def add_group(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        name = body.string("name")
        if not name:
            raise incomplete("Group", "name", "add")
        _check_domain(body)
        known = next((one for one in engine.groups.values() if one.name == name), None)
        group = known or Group(new_id(), name, body.string("namespace") or "*")
        engine.groups[group.id] = group
        return Reply(201, render_group(group))


def _forget(engine: Engine, holder_id: str) -> None:
    for one in [one for one in engine.permissions.values() if one.holder_id == holder_id]:
        engine.permissions.pop(one.id)


def remove_user(call: Call) -> Reply:
    with call.engine.lock:
        user = _user(call)
        if user.id == ADMIN_ID:
            raise conflict("Cannot remove User. User is currently logged in.")
        call.engine.users.pop(user.id)
        _forget(call.engine, user.id)
        return removed(call, call.done(f"Removing User {user.principal}"))


def remove_group(call: Call) -> Reply:
    with call.engine.lock:
        group = _group(call)
        if group.id == EVERYONE_ID:
            raise conflict('Cannot remove the built-in group "Everyone".')
        call.engine.groups.pop(group.id)
        _forget(call.engine, group.id)
        return removed(call, call.done(f"Removing Group {group.name}"))


def update_user(call: Call) -> Reply:
    """What the directory tells of a user stays; a client changes only options, which the lab has none of."""
    with call.engine.lock:
        return found(render_user(_user(call)))


def _roles_of(call: Call) -> list[Role]:
    engine = call.engine
    identifier = call.ids["owner"]
    if identifier not in engine.users and identifier not in engine.groups:
        raise gone()
    held = {
        one.role_id for one in engine.permissions.values() if one.holder_id == identifier and not one.path
    }
    return [role for role in engine.roles.values() if role.id in held]


def _tags_of(call: Call) -> list[Tag]:
    return [tag for tag in call.engine.tags.values() if call.ids["owner"] in tag.owners]


def _domain_path(call: Call, kind: str) -> str:
    return f"domains/{call.ids['directory']}/{kind}"


ROUTES: list[ApiRoute] = [
    get("users", list_users),
    post("users", add_user),
    get("users/{owner}", show_user),
    put("users/{owner}", update_user),
    delete("users/{owner}", remove_user),
    get("groups", list_groups),
    post("groups", add_group),
    get("groups/{owner}", show_group),
    delete("groups/{owner}", remove_group),
    *catalog("domains", "domains", lambda _call: DOMAINS, render_domain, "directory"),
    *catalog(
        "domains/{directory}/users",
        "users",
        lambda call: list(call.engine.users.values()),
        lambda call, user: render_user(user, _domain_path(call, "users")),
    ),
    *catalog(
        "domains/{directory}/groups",
        "groups",
        lambda call: list(call.engine.groups.values()),
        lambda call, group: render_group(group, _domain_path(call, "groups")),
    ),
    *(
        route
        for holders in ("users", "groups")
        for route in (
            *catalog(f"{holders}/{{owner}}/roles", "roles", _roles_of, roles.render, "role"),
            *catalog(f"{holders}/{{owner}}/tags", "tags", _tags_of, lambda _call, tag: tags.render(tag)),
        )
    ),
    get("users/{owner}/options", empty_list("user_options")),
    get("users/{owner}/eventsubscriptions", empty_list("event_subscriptions")),
]
