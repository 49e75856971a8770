"""/servers: listing, showing, renaming, deleting. (`create` makes them.)"""

import re
from collections.abc import Callable

from coriolis_lab.openstack.compute import build
from coriolis_lab.openstack.compute.bodies import check_fields, find_server, required_text, string_map
from coriolis_lab.openstack.compute.views import addresses, detail, group_names, status, summary
from coriolis_lab.openstack.paging import next_link, page
from coriolis_lab.openstack.records import Server, now
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, refuse_by_fault

_REGEX = "Invalid input for query parameters name. Value: {0}. '{0}' is not a 'regex'"
_SORT_KEYS = {
    "created_at": "created",
    "updated_at": "updated",
    "launched_at": "created",
    "display_name": "name",
    "uuid": "id",
    "vm_state": "vm_state",
    "power_state": "power_state",
    "project_id": "project_id",
}


def _wanted(call: Call) -> list[Server]:
    query = call.query
    everyone = call.is_admin and (call.flag("all_tenants") or "all_tenants" in query)
    servers = [s for s in call.cloud.servers.values() if everyone or s.project_id == call.project_id]
    if "name" in query:  # a regular expression, found anywhere in the name
        try:
            pattern = re.compile(query["name"])
        except re.error:
            raise ApiError(400, _REGEX.format(query["name"])) from None
        servers = [s for s in servers if pattern.search(s.name)]
    if "status" in query:
        accepted = {value.upper() for value in query.getlist("status")}
        servers = [s for s in servers if status(s) in accepted]
    for key, attribute in (("image", "image_id"), ("uuid", "id"), ("key_name", "key")):
        if key in query:
            servers = [s for s in servers if _attribute(s, attribute) == query[key]]
    if "flavor" in query:
        servers = [s for s in servers if s.flavor.id == query["flavor"]]
    if "ip" in query:
        servers = [s for s in servers if any(re.match(query["ip"], a) for a in _fixed_addresses(call, s))]
    if "tags" in query and call.at_least(26):
        tags = set(query["tags"].split(","))
        servers = [s for s in servers if tags <= set(s.tags)]
    return _sorted(call, servers)


def _attribute(server: Server, attribute: str) -> str | None:
    if attribute == "key":
        return server.key.name if server.key else None
    value = getattr(server, attribute)
    return None if value is None else str(value)


def _fixed_addresses(call: Call, server: Server) -> list[str]:
    return [fixed.address for port in call.cloud.server_ports(server) for fixed in port.fixed_ips]


def _sorted(call: Call, servers: list[Server]) -> list[Server]:
    """By default the newest first."""
    keys = call.query.getlist("sort_key") or ["created_at"]
    directions = call.query.getlist("sort_dir")
    for index in reversed(range(len(keys))):
        if keys[index] not in _SORT_KEYS:
            raise ApiError(400, f"Invalid input for query parameters sort_key. Value: {keys[index]}.")
        name = _SORT_KEYS[keys[index]]
        descending = (directions[index] if index < len(directions) else "desc") == "desc"
        servers.sort(key=lambda server, n=name: getattr(server, n), reverse=descending)  # type: ignore[misc]
    return servers


def _listing(call: Call, view: Callable[[Call, Server], Json]) -> Reply:
    servers = _wanted(call)
    shown, more = page(call, servers, [server.id for server in servers])
    body: Json = {"servers": [view(call, server) for server in shown]}
    if more:
        body["servers_links"] = next_link(call, shown[-1].id)
    return Reply(body)


def _list(call: Call) -> Reply:
    return _listing(call, summary)


def _list_details(call: Call) -> Reply:
    return _listing(call, detail)


def _show(call: Call) -> Reply:
    return Reply({"server": detail(call, find_server(call))})


def _update(call: Call) -> Reply:
    server = find_server(call)
    given = call.member("server")
    allowed = {"name", "OS-DCF:diskConfig", "accessIPv4", "accessIPv6"}
    allowed |= {"description"} if call.at_least(19) else set()
    allowed |= {"hostname"} if call.at_least(90) else set()
    check_fields("server", given, allowed)
    if "name" in given:
        server.name = required_text("server", given, "name")
    if "description" in given:
        server.description = given["description"]
    server.updated = now()
    return Reply({"server": detail(call, server)})


def _delete(call: Call) -> Reply:
    """In any state but while it is already being deleted, which is no fault either."""
    server = find_server(call)
    if server.locked and not call.is_admin:
        raise ApiError(409, f"Instance {server.id} is locked")
    if server.task_state != "deleting":
        build.submit_delete(call.cloud, server, refuse_by_fault(call, "server.delete", server.name))
    return Reply(None, 204)


def _ips(call: Call) -> Reply:
    shown = addresses(call, find_server(call))
    plain = {
        name: [{"version": e["version"], "addr": e["addr"]} for e in found] for name, found in shown.items()
    }
    return Reply({"addresses": plain})


def _groups(call: Call) -> Reply:
    server = find_server(call)
    names = set(group_names(call, server))
    groups = [
        g
        for g in call.cloud.security_groups.values()
        if g.project_id == server.project_id and g.name in names
    ]
    return Reply(
        {
            "security_groups": [
                {
                    "id": g.id,
                    "name": g.name,
                    "description": g.description,
                    "tenant_id": g.project_id,
                    "rules": [],
                }
                for g in groups
            ]
        }
    )


def _metadata(call: Call) -> Reply:
    server = find_server(call)
    if call.method == "POST":
        server.metadata.update(string_map(call.member("metadata")))
    elif call.method == "PUT":
        server.metadata = string_map(call.member("metadata"))
    return Reply({"metadata": dict(server.metadata)})


def _metadata_key(call: Call) -> Reply:
    server, key = find_server(call), call.ids["key"]
    if call.method == "PUT":
        server.metadata[key] = string_map(call.member("meta")).get(key, "")
    elif key not in server.metadata:
        raise ApiError(404, f"Instance {server.id} has no metadata with key {key}.")
    elif call.method == "DELETE":
        del server.metadata[key]
        return Reply(None, 204)
    return Reply({"meta": {key: server.metadata[key]}})


ROUTES = [
    Route("GET", "/v2.1/servers", _list),
    Route("GET", "/v2.1/servers/detail", _list_details),
    Route("GET", "/v2.1/servers/{id}", _show),
    Route("PUT", "/v2.1/servers/{id}", _update),
    Route("DELETE", "/v2.1/servers/{id}", _delete),
    Route("GET", "/v2.1/servers/{id}/ips", _ips),
    Route("GET", "/v2.1/servers/{id}/os-security-groups", _groups),
    *(Route(method, "/v2.1/servers/{id}/metadata", _metadata) for method in ("GET", "POST", "PUT")),
    *(
        Route(method, "/v2.1/servers/{id}/metadata/{key}", _metadata_key)
        for method in ("GET", "PUT", "DELETE")
    ),
]
