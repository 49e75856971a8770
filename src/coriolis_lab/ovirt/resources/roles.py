"""Roles and what they permit. Names as the engine's setup makes them; a client may add its own."""

from dataclasses import dataclass

from coriolis_lab.ovirt.administration import Role
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, invalid
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.roles import PERMITS
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, post, put, removed


def render(_call: Call, role: Role) -> Element:
    return entity(
        "role",
        f"roles/{role.id}",
        role.id,
        leaf("administrative", role.administrative),
        leaf("mutable", role.mutable),
        name=role.name,
        description=role.description,
        links=("permits",),
    )


def _role(call: Call) -> Role:
    role = call.engine.roles.get(call.ids["role"])
    if role is None:
        raise gone()
    return role


def _check_name(engine: Engine, name: str, verb: str, besides: Role | None = None) -> None:
    if any(one.name == name and one is not besides for one in engine.roles.values()):
        raise conflict(
            f"Cannot {verb} Role. The Role name is already in use, please choose a unique name and try again."
        )


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        name, administrative = body.string("name"), body.boolean("administrative")
        permits = tuple(permit for node in body.all("permits/permit") if (permit := _permit_name(node.id)))
        if not name or administrative is None or not permits:
            field = "name" if not name else "administrative" if administrative is None else "permits"
            raise incomplete("Role", field, "add")
        _check_name(engine, name, "add")
        role = Role(new_id(), name, body.string("description") or "", administrative, permits, mutable=True)
        engine.roles[role.id] = role
        return Reply(201, render(call, role))


def _permit_name(identifier: str | None) -> str | None:
    return next((name for name, number in PERMITS.items() if str(number) == identifier), None)


def _check_mutable(role: Role, verb: str) -> None:
    if not role.mutable:
        raise conflict(f"Cannot {verb} Role. The Role is Read-Only.")


def update(call: Call) -> Reply:
    with call.engine.lock:
        role, body = _role(call), call.document
        _check_mutable(role, "edit")
        name = body.string("name") or role.name
        _check_name(call.engine, name, "edit", role)
        role.name = name
        role.description = body.string_or("description", role.description)
        return found(render(call, role))


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        role = _role(call)
        _check_mutable(role, "remove")
        if any(one.role_id == role.id for one in engine.permissions.values()):
            raise conflict(
                "One or more Permissions is still associated with Role.\n- Please remove all Permissions first."
            )
        engine.roles.pop(role.id)
        return removed(call, call.done(f"Removing Role {role.name}"))


@dataclass(frozen=True)
class Permit:
    role: Role
    name: str

    @property
    def id(self) -> str:
        return str(PERMITS[self.name])


def _permits(call: Call) -> list[Permit]:
    role = _role(call)
    return [Permit(role, name) for name in role.permits]


def _render_permit(_call: Call, permit: Permit) -> Element:
    role = permit.role
    return entity(
        "permit",
        f"roles/{role.id}/permits/{permit.id}",
        permit.id,
        leaf("administrative", role.administrative),
        reference("role", "roles", role.id),
        name=permit.name,
    )


def add_permit(call: Call) -> Reply:
    with call.engine.lock:
        role, body = _role(call), call.document
        _check_mutable(role, "edit")
        name = body.string("name") if body.string("name") in PERMITS else _permit_name(body.id)
        if name is None:
            raise invalid("The given permit does not exist.")
        role.permits = (*role.permits, name)
        return Reply(201, _render_permit(call, Permit(role, name)))


def remove_permit(call: Call) -> Reply:
    with call.engine.lock:
        role = _role(call)
        _check_mutable(role, "edit")
        name = _permit_name(call.ids["permit"])
        if name not in role.permits:
            raise gone()
        role.permits = tuple(other for other in role.permits if other != name)
        return removed(call, call.done(f"Editing Role {role.name}"))


ROUTES: list[ApiRoute] = [
    *catalog("roles", "roles", lambda call: list(call.engine.roles.values()), render, "role"),
    post("roles", add),
    put("roles/{role}", update),
    delete("roles/{role}", remove),
    *catalog("roles/{role}/permits", "permits", _permits, _render_permit, "permit"),
    post("roles/{role}/permits", add_permit),
    delete("roles/{role}/permits/{permit}", remove_permit),
]
