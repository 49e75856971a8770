"""/os-server-groups, and the scheduler hint that puts a new server into one"""

from coriolis_lab.openstack.compute.bodies import check_fields, invalid_field, required_text
from coriolis_lab.openstack.records import ServerGroup
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id

_POLICIES = {"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}
HINTS = "OS-SCH-HNT:scheduler_hints"


def hinted_group(call: Call) -> ServerGroup | None:
    """The group that the body of POST /servers names beside the server. Nova takes the hint under either name, and
    looks for the group within the project."""
    hints = call.body.get(HINTS) or call.body.get("os:scheduler_hints") or {}
    wanted = hints.get("group") if isinstance(hints, dict) else None
    if not wanted:
        return None
    group = call.cloud.server_groups.get(str(wanted))
    if group is None or not call.sees(group.project_id):
        raise ApiError(
            400, f"ServerGroup policy is not supported: Instance group {wanted} could not be found."
        )
    limit = call.cloud.quota(call.project_id).compute["server_group_members"]
    if 0 <= limit <= len(group.members):
        raise ApiError(403, "Quota exceeded, too many servers in group")
    return group


def group_of(call: Call, server_id: str) -> list[str]:
    return [group.id for group in call.cloud.server_groups.values() if server_id in group.members]


def _view(call: Call, group: ServerGroup) -> Json:
    """2.13 brought owner ids, 2.64 one policy for the list of them, and rules."""
    servers = call.cloud.servers
    view: Json = {"id": group.id, "name": group.name, "members": [m for m in group.members if m in servers]}
    if call.at_least(13):
        view |= {"project_id": group.project_id, "user_id": group.user_id}
    if call.at_least(64):
        return {**view, "policy": group.policy, "rules": {}}
    return {**view, "policies": [group.policy], "metadata": {}}


def _list(call: Call) -> Reply:
    everyone = call.is_admin and "all_projects" in call.query
    groups = call.cloud.server_groups.values()
    shown = [_view(call, g) for g in groups if everyone or g.project_id == call.project_id]
    return Reply({"server_groups": shown})


def _find(call: Call) -> ServerGroup:
    group = call.cloud.server_groups.get(call.ids["id"])
    if group is None or not call.sees(group.project_id):
        raise ApiError(404, f"Instance group {call.ids['id']} could not be found.")
    return group


def _show(call: Call) -> Reply:
    return Reply({"server_group": _view(call, _find(call))})


def _create(call: Call) -> Reply:
    given = call.member("server_group")
    check_fields("server_group", given, {"name", "policy", "policies", "rules"})
    name = required_text("server_group", given, "name")
    policy = given.get("policy") if call.at_least(64) else (given.get("policies") or [None])[0]
    if policy not in _POLICIES:
        raise invalid_field("policy", policy, f"'{policy}' is not one of {sorted(_POLICIES)}")
    mine = sum(g.project_id == call.project_id for g in call.cloud.server_groups.values())
    if 0 <= call.cloud.quota(call.project_id).compute["server_groups"] <= mine:
        raise ApiError(403, "Quota exceeded, too many server groups.")
    group = ServerGroup(new_id(), name, call.project_id, call.user_id, str(policy))
    call.cloud.server_groups[group.id] = group
    return Reply({"server_group": _view(call, group)})


def _delete(call: Call) -> Reply:
    del call.cloud.server_groups[_find(call).id]
    return Reply(None, 204)


ROUTES = [
    Route("GET", "/v2.1/os-server-groups", _list),
    Route("POST", "/v2.1/os-server-groups", _create),
    Route("GET", "/v2.1/os-server-groups/{id}", _show),
    Route("DELETE", "/v2.1/os-server-groups/{id}", _delete),
]
