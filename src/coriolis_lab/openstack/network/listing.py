"""Filters, sorting, fields and pages, which every Neutron collection has alike."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode

from coriolis_lab.openstack.web import ApiError, Call, Json, Reply

Item = TypeVar("Item")
_CONTROL = {
    "fields",
    "limit",
    "marker",
    "page_reverse",
    "sort_key",
    "sort_dir",
    "tags",
    "fixed_ips",
    "verbose",
}


def listing(call: Call, name: str, items: Iterable[Json]) -> Reply:
    shown = [item for item in items if _matches(call, item)]
    keys, directions = call.query.getlist("sort_key"), call.query.getlist("sort_dir")
    for index in reversed(range(len(keys))):
        descending = index < len(directions) and directions[index] == "desc"
        shown.sort(key=lambda item, k=keys[index]: str(item.get(k)), reverse=descending)  # type: ignore[misc]
    shown, more = _page(call, shown)
    body: Json = {name: [_fields(call, item) for item in shown]}
    if more:
        query = [(key, value) for key, value in call.query.multi_items() if key != "marker"]
        query.append(("marker", shown[-1]["id"]))
        body[f"{name}_links"] = [{"rel": "next", "href": f"{call.base}{call.path}?{urlencode(query)}"}]
    return Reply(body)


def show(call: Call, name: str, item: Json, status: int = 200) -> Reply:
    return Reply({name: _fields(call, item)}, status)


def _matches(call: Call, item: Json) -> bool:
    for key in set(call.query.keys()) - _CONTROL:
        wanted = call.query.getlist(key)
        if key in item and not any(_equal(item[key], value) for value in wanted):
            return False
    for condition in call.query.getlist("fixed_ips"):
        key, _, value = condition.partition("=")
        if not any(fixed.get(key) == value for fixed in item.get("fixed_ips", ())):
            return False
    tags = [tag for text in call.query.getlist("tags") for tag in text.split(",")]
    return all(tag in item.get("tags", ()) for tag in tags)


def _equal(have: Any, wanted: str) -> bool:
    if isinstance(have, bool):
        return str(have).lower() == wanted.lower()
    if isinstance(have, list):
        return wanted in have
    return wanted == ("" if have is None else str(have))


def _page(call: Call, items: list[Json]) -> tuple[list[Json], bool]:
    marker, limit = call.query.get("marker"), call.query.get("limit")
    if limit is not None and not limit.isdigit():
        message = f"Bad limit request: Limit must be an integer 0 or greater and not '{limit}'."
        raise ApiError(400, message, "BadRequest")
    if limit is None or int(limit) == 0:
        return items, False  # and the marker is not looked at
    if marker:
        ids = [item["id"] for item in items]
        if marker not in ids:
            raise ApiError(404, f"The marker {marker} could not be found.", "MarkerNotFound")
        items = items[ids.index(marker) + 1 :]
    return items[: int(limit)], len(items) >= int(limit)


def _fields(call: Call, item: Json) -> Json:
    fields = call.query.getlist("fields")
    return {key: value for key, value in item.items() if key in fields} if fields else item


def find(call: Call, items: dict[str, Item], kind: str, words: str, visible: Callable[[Item], bool]) -> Item:
    """The item that the path's {id} names; 404 of Neutron's class `kind` ("PortNotFound") with `words`
    otherwise."""
    wanted = call.ids["id"]
    item = items.get(wanted)
    if item is None or not visible(item):
        raise ApiError(404, words.format(wanted), kind)
    return item


def bad(message: str) -> ApiError:
    """400, worded as Neutron words what a caller got wrong."""
    return ApiError(400, f"Invalid input for operation: {message}.", "InvalidInput")


def check_attributes(given: Json, allowed: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(allowed) - {"tenant_id", "project_id"})
    if unknown:
        raise ApiError(400, f"Unrecognized attribute(s) '{', '.join(unknown)}'", "HTTPBadRequest")


def bad_attribute(name: str, reason: str) -> ApiError:
    return ApiError(400, f"Invalid input for {name}. Reason: {reason}.", "HTTPBadRequest")


def required(given: Json, name: str) -> str:
    if not given.get(name):
        message = f"Failed to parse request. Required attribute '{name}' not specified"
        raise ApiError(400, message, "HTTPBadRequest")
    return str(given[name])


def over_quota(resource: str) -> ApiError:
    return ApiError(409, f"Quota exceeded for resources: ['{resource}'].", "OverQuota")


def check_quota(call: Call, project_id: str, resource: str, used: int, requested: int = 1) -> None:
    limit = call.cloud.quota(project_id).network[resource]
    if limit >= 0 and used + requested > limit:
        raise over_quota(resource)
