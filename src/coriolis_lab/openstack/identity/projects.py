"""Projects, users, roles, regions, services and endpoints, to read."""

from collections.abc import Iterable

from coriolis_lab.openstack.identity.catalog import catalog
from coriolis_lab.openstack.identity.tokens import DOMAIN
from coriolis_lab.openstack.records import Project, User
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route


def _project_view(call: Call, project: Project) -> Json:
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "domain_id": DOMAIN["id"],
        "parent_id": DOMAIN["id"],
        "enabled": True,
        "is_domain": False,
        "tags": [],
        "options": {},
        "links": {"self": f"{call.base}/identity/v3/projects/{project.id}"},
    }


def _user_view(call: Call, user: User) -> Json:
    return {
        "id": user.id,
        "name": user.name,
        "domain_id": DOMAIN["id"],
        "default_project_id": user.default_project_id,
        "enabled": True,
        "password_expires_at": None,
        "options": {},
        "links": {"self": f"{call.base}/identity/v3/users/{user.id}"},
    }


def _listing(call: Call, name: str, items: Iterable[Json]) -> Reply:
    wanted = {key: call.query[key] for key in ("name", "domain_id", "type") if key in call.query}
    shown = [item for item in items if all(item.get(key) == value for key, value in wanted.items())]
    return Reply({name: shown, "links": {"self": call.base + call.path, "next": None, "previous": None}})


def _forbidden(action: str) -> ApiError:
    return ApiError(
        403, f"You are not authorized to perform the requested action: identity:{action}.", "Forbidden"
    )


def _my_projects(call: Call) -> Reply:
    mine = [p for p in call.cloud.projects.values() if p.id in call.token.user.roles]
    return _listing(call, "projects", [_project_view(call, p) for p in mine])


def _list_projects(call: Call) -> Reply:
    if not call.is_admin:
        raise _forbidden("list_projects")
    return _listing(call, "projects", [_project_view(call, p) for p in call.cloud.projects.values()])


def _show_project(call: Call) -> Reply:
    project = call.cloud.projects.get(call.ids["id"])
    if not call.is_admin and (project is None or project is not call.token.project):
        raise _forbidden("get_project")
    if project is None:
        raise ApiError(404, f"Could not find project: {call.ids['id']}.")
    return Reply({"project": _project_view(call, project)})


def _list_users(call: Call) -> Reply:
    if not call.is_admin:
        raise _forbidden("list_users")
    return _listing(call, "users", [_user_view(call, u) for u in call.cloud.users.values()])


def _show_user(call: Call) -> Reply:
    user = call.cloud.users.get(call.ids["id"])
    if user is None:
        raise ApiError(404, f"Could not find user: {call.ids['id']}.")
    if not call.is_admin and user is not call.token.user:
        raise _forbidden("get_user")
    return Reply({"user": _user_view(call, user)})


def _user_projects(call: Call) -> Reply:
    user = call.cloud.users.get(call.ids["id"])
    if user is None:
        raise ApiError(404, f"Could not find user: {call.ids['id']}.")
    if not call.is_admin and user is not call.token.user:
        raise _forbidden("list_user_projects")
    theirs = [p for p in call.cloud.projects.values() if p.id in user.roles]
    return _listing(call, "projects", [_project_view(call, p) for p in theirs])


def _regions(call: Call) -> Reply:
    return _listing(call, "regions", [_region_view(call, name) for name in call.cloud.realm.regions])


def _region_view(call: Call, name: str) -> Json:
    links = {"self": f"{call.base}/identity/v3/regions/{name}"}
    return {"id": name, "description": "", "parent_region_id": None, "links": links}


def _services(call: Call) -> Reply:
    if not call.is_admin:
        raise _forbidden("list_services")
    rows = catalog(call.cloud, call.origin, call.token.project)
    return _listing(
        call,
        "services",
        [{"id": r["id"], "type": r["type"], "name": r["name"], "enabled": True} for r in rows],
    )


def _endpoints(call: Call) -> Reply:
    if not call.is_admin:
        raise _forbidden("list_endpoints")
    rows = catalog(call.cloud, call.origin, call.token.project)
    shown = [{**e, "service_id": row["id"], "enabled": True} for row in rows for e in row["endpoints"]]
    return _listing(call, "endpoints", shown)


def _list_domains(call: Call) -> Reply:
    if not call.is_admin:
        raise _forbidden("list_domains")
    return _domains(call)


def _domains(call: Call) -> Reply:
    return _listing(call, "domains", [{**DOMAIN, "enabled": True, "description": "The default domain"}])


ROUTES = [
    Route("GET", "/v3/auth/projects", _my_projects),
    Route("GET", "/v3/auth/domains", _domains),
    Route("GET", "/v3/domains", _list_domains),
    Route("GET", "/v3/projects", _list_projects),
    Route("GET", "/v3/projects/{id}", _show_project),
    Route("GET", "/v3/users", _list_users),
    Route("GET", "/v3/users/{id}", _show_user),
    Route("GET", "/v3/users/{id}/projects", _user_projects),
    Route("GET", "/v3/regions", _regions),
    Route("GET", "/v3/services", _services),
    Route("GET", "/v3/endpoints", _endpoints),
]
