"""POST /servers/{id}/action"""

from collections.abc import Callable
from typing import Any

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.openstack.compute import power
from coriolis_lab.openstack.compute.bodies import check_state, find_server, integer, invalid_field
from coriolis_lab.openstack.compute.images import create_image
from coriolis_lab.openstack.records import SecurityGroup, Server
from coriolis_lab.openstack.ssh import update_ssh
from coriolis_lab.openstack.web import ApiError, Call, Reply, Route

_BUSY_BUT_HARD_REBOOTABLE = (None, "rebooting", "rebooting_hard", "powering-off", "powering-on")


def _start(call: Call, server: Server, _given: Any) -> Reply:
    check_state(call, server, "start", ("stopped",))
    power.submit_start(call.cloud, server)
    return Reply(None, 202)


def _stop(call: Call, server: Server, _given: Any) -> Reply:
    check_state(call, server, "stop", ("active", "error"))
    power.submit_stop(call.cloud, server)
    return Reply(None, 202)


def _reboot(call: Call, server: Server, given: Any) -> Reply:
    kind = str(given.get("type")).upper() if isinstance(given, dict) else None
    if kind not in {"HARD", "SOFT"}:
        raise invalid_field(
            "type", kind, f"'{kind}' is not one of ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']"
        )
    if kind == "SOFT":
        check_state(call, server, "reboot", ("active",))
    else:
        check_state(call, server, "reboot", ("active", "stopped", "error"), _BUSY_BUT_HARD_REBOOTABLE)
    power.submit_reboot(call.cloud, server, hard=kind == "HARD")
    return Reply(None, 202)


def _lock(_call: Call, server: Server, _given: Any) -> Reply:
    server.locked = True
    return Reply(None, 202)


def _unlock(_call: Call, server: Server, _given: Any) -> Reply:
    server.locked = False
    return Reply(None, 202)


def _group(call: Call, server: Server, given: Any) -> SecurityGroup:
    name = given.get("name") if isinstance(given, dict) else None
    for group in call.cloud.security_groups.values():
        if group.project_id == server.project_id and name in {group.id, group.name}:
            return group
    raise ApiError(404, f"Security group {name} is not found for project {server.project_id}")


def _add_group(call: Call, server: Server, given: Any) -> Reply:
    group = _group(call, server, given)
    for port in call.cloud.server_ports(server):
        if group.id not in port.security_group_ids:
            port.security_group_ids.append(group.id)
    update_ssh(call.cloud, server.id)
    return Reply(None, 202)


def _remove_group(call: Call, server: Server, given: Any) -> Reply:
    group = _group(call, server, given)
    holders = [port for port in call.cloud.server_ports(server) if group.id in port.security_group_ids]
    if not holders:
        raise ApiError(404, f"Security group {group.id} is not associated with the instance {server.id}")
    for port in holders:
        port.security_group_ids.remove(group.id)
    update_ssh(call.cloud, server.id)
    return Reply(None, 202)


def _reset_state(call: Call, server: Server, given: Any) -> Reply:
    if not call.is_admin:
        message = "Policy doesn't allow os_compute_api:os-admin-actions:reset_state to be performed."
        raise ApiError(403, message)
    state = given.get("state") if isinstance(given, dict) else None
    if state not in {"active", "error"}:
        raise invalid_field("state", state, f"'{state}' is not one of ['active', 'error']")
    server.vm_state, server.task_state = str(state), None
    return Reply(None, 202)


_ACTIONS: dict[str, Callable[[Call, Server, Any], Reply]] = {
    "os-start": _start,
    "os-stop": _stop,
    "reboot": _reboot,
    "lock": _lock,
    "unlock": _unlock,
    "addSecurityGroup": _add_group,
    "removeSecurityGroup": _remove_group,
    "os-resetState": _reset_state,
}


def _act(call: Call) -> Reply:
    """Unlocked because some ask the hypervisor."""
    with call.cloud.lock:
        server = find_server(call)
        if not isinstance(call.body, dict) or len(call.body) != 1:
            raise ApiError(400, "Malformed request body")
        name, given = next(iter(call.body.items()))
        if name in _ACTIONS:
            return _ACTIONS[name](call, server, given)
        if name not in _UNLOCKED_ACTIONS:
            raise ApiError(400, f"There is no such action: {name}")
    return _UNLOCKED_ACTIONS[name](call, server, given)


def _console_output(call: Call, server: Server, given: Any) -> Reply:
    """The last `length` lines, all for none or a negative number."""
    if not server.defined:
        raise ApiError(409, f"Instance {server.id} is not ready")
    length = given.get("length") if isinstance(given, dict) else None
    wanted = -1 if length in (None, "") else integer("length", length)
    try:
        text = call.cloud.hypervisor.console_log(server.id)
    except HypervisorError as error:
        raise ApiError(404, f"Console log of instance {server.id}: {error}") from error
    if wanted >= 0:
        lines = text.splitlines(keepends=True)
        text = "".join(lines[max(0, len(lines) - wanted) :])
    return Reply({"output": text})


_UNLOCKED_ACTIONS: dict[str, Callable[[Call, Server, Any], Reply]] = {
    "os-getConsoleOutput": _console_output,
    "createImage": create_image,
}

ROUTES = [Route("POST", "/v2.1/servers/{id}/action", _act, unlocked=True)]
