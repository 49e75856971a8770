"""What Nova's bodies may hold, and how it words what is wrong."""

import re
from typing import Any

from coriolis_lab.openstack.records import Server
from coriolis_lab.openstack.web import ApiError, Call, Json


def invalid_field(name: str, value: Any, why: str) -> ApiError:
    return ApiError(400, f"Invalid input for field/attribute {name}. Value: {value}. {why}")


def check_fields(name: str, given: Json, allowed: set[str]) -> None:
    unknown = sorted(set(given) - allowed)
    if unknown:
        shown = ", ".join(f"'{key}'" for key in unknown)
        verb = "was" if len(unknown) == 1 else "were"
        raise invalid_field(name, given, f"Additional properties are not allowed ({shown} {verb} unexpected)")


def required_text(parent: str, given: Json, name: str, maximum: int = 255) -> str:
    value = given.get(name)
    if value is None:
        raise invalid_field(parent, given, f"'{name}' is a required property")
    if not isinstance(value, str):
        raise invalid_field(name, value, f"{value!r} is not of type 'string'")
    if not value or len(value) > maximum:
        raise invalid_field(name, value, f"'{value}' is too {'long' if value else 'short'}")
    if value != value.strip():
        raise invalid_field(name, value, f"'{value}' does not match a name without white space around it")
    return value


def string_map(given: Any, name: str = "metadata") -> dict[str, str]:
    given = given or {}
    if not isinstance(given, dict):
        raise invalid_field(name, given, f"{given!r} is not of type 'object'")
    for key, value in given.items():
        if not isinstance(value, str):
            raise invalid_field(key, value, f"{value!r} is not of type 'string'")
    return dict(given)


def integer(name: str, value: Any) -> int:
    """A whole number or its text."""
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]+", str(value)):
        raise invalid_field(name, value, f"{value!r} does not match '^-?[0-9]+$'")
    return int(value)


def flag(given: Json, name: str, default: bool = False) -> bool:
    value = given.get(name, default)
    if value in (True, "true", "True", "TRUE", "1", "on", "yes"):
        return True
    if value in (False, None, "", "false", "False", "FALSE", "0", "off", "no"):
        return False
    raise invalid_field(name, value, f"{value!r} is not one of [True, False]")


def find_server(call: Call, name: str = "id") -> Server:
    server = call.cloud.servers.get(call.ids[name])
    if server is None or not call.sees(server.project_id):
        raise ApiError(404, f"Instance {call.ids[name]} could not be found.")
    return server


def check_state(
    call: Call,
    server: Server,
    action: str,
    vm_states: tuple[str, ...],
    task_states: tuple[str | None, ...] = (None,),
    *,
    heeds_lock: bool = True,
) -> None:
    """409 unless the server's states allow `action`; locked servers are their administrator's alone, but for what
    changes nothing."""
    if heeds_lock and server.locked and not call.is_admin:
        raise ApiError(409, f"Instance {server.id} is locked")
    if server.vm_state not in vm_states:
        raise _wrong_state(server, action, "vm_state", server.vm_state)
    if server.task_state not in task_states:
        raise _wrong_state(server, action, "task_state", server.task_state)


def _wrong_state(server: Server, action: str, attribute: str, state: str | None) -> ApiError:
    return ApiError(409, f"Cannot '{action}' instance {server.id} while it is in {attribute} {state}")


def needs(call: Call, minor: int) -> None:
    """404, as for any path, below the microversion that brought it."""
    if not call.at_least(minor):
        raise ApiError(404, "The resource could not be found.")
