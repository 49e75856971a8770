"""/servers/{id}/tags, since 2.26"""

from coriolis_lab.openstack.compute.bodies import find_server, invalid_field, needs
from coriolis_lab.openstack.web import ApiError, Call, Reply, Route


def _tags(call: Call) -> Reply:
    needs(call, 26)
    server = find_server(call)
    if call.method == "DELETE":
        server.tags = []
        return Reply(None, 204)
    if call.method == "PUT":
        tags = call.body.get("tags") if isinstance(call.body, dict) else None
        if not isinstance(tags, list) or not all(isinstance(tag, str) and "/" not in tag for tag in tags):
            raise invalid_field("tags", tags, f"{tags!r} is not a list of tags")
        server.tags = list(dict.fromkeys(tags))
    return Reply({"tags": list(server.tags)})


def _tag(call: Call) -> Reply:
    needs(call, 26)
    server, tag = find_server(call), call.ids["tag"]
    if call.method == "PUT":
        status = 204 if tag in server.tags else 201
        if status == 201:
            server.tags.append(tag)
        return Reply(None, status)
    if tag not in server.tags:
        raise ApiError(404, f"Server {server.id} has no tag '{tag}'")
    if call.method == "DELETE":
        server.tags.remove(tag)
    return Reply(None, 204)


ROUTES = [
    *(Route(method, "/v2.1/servers/{id}/tags", _tags) for method in ("GET", "PUT", "DELETE")),
    *(Route(method, "/v2.1/servers/{id}/tags/{tag}", _tag) for method in ("GET", "PUT", "DELETE")),
]
