"""/v2/images"""

from typing import Any
from urllib.parse import urlencode

from coriolis_lab.openstack.paging import page
from coriolis_lab.openstack.records import Image, now
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, seconds

_PAGE = 25  # Glance's limit_param_default
_GIB = 1024**3
_CORE = {"name", "visibility", "protected", "tags", "min_disk", "min_ram"}


def _view(image: Image) -> Json:
    view: Json = {
        **image.properties,
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "visibility": image.visibility,
        "protected": image.protected,
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": "bare" if image.disk_format else None,
        "size": image.size_bytes,
        "virtual_size": virtual_size(image),
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "checksum": None,
        "os_hash_algo": None,
        "os_hash_value": None,
        "os_hidden": False,
        "tags": list(image.tags),
        "created_at": seconds(image.created),
        "updated_at": seconds(image.updated),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
    return view


def _sees(call: Call, image: Image) -> bool:
    return image.visibility in {"public", "community"} or call.sees(image.owner)


def find(call: Call) -> Image:
    image = call.cloud.images.get(call.ids["id"])
    if image is None or not _sees(call, image):
        raise ApiError(404, f"No image found with ID {call.ids['id']}", "NotFound")
    return image


def _own(call: Call) -> Image:
    image = find(call)
    if not call.sees(image.owner):
        raise ApiError(403, "You do not own this image", "Forbidden")
    return image


def _list(call: Call) -> Reply:
    shown = [_view(image) for image in call.cloud.images.values() if _sees(call, image)]
    for key, value in call.query.multi_items():
        if key in {"limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "os_hidden"}:
            continue
        if key in {"created_at", "updated_at", "size_min", "size_max"}:
            raise ApiError(400, f"The lab cannot filter images by {key}.", "BadRequest")
        accepted = value[3:].split(",") if value.startswith("in:") else [value]
        if key == "tag":
            shown = [image for image in shown if value in image["tags"]]
        else:
            shown = [image for image in shown if _text(image.get(key)) in accepted]
    _sort(call, shown)
    found, more = page(call, shown, [image["id"] for image in shown])
    if "limit" not in call.query:
        more = len(found) > _PAGE
        found = found[:_PAGE]
    body: Json = {"images": found, "first": "/v2/images", "schema": "/v2/schemas/images"}
    if more:
        query = {key: value for key, value in call.query.multi_items() if key != "marker"}
        body["next"] = f"/v2/images?{urlencode({**query, 'marker': found[-1]['id']})}"
    return Reply(body)


def _sort(call: Call, shown: list[Json]) -> None:
    keys = [part.partition(":") for part in call.query.get("sort", "").split(",") if part]
    if not keys:
        keys = [(call.query.get("sort_key", "created_at"), ":", call.query.get("sort_dir", "desc"))]
    for key, _, direction in reversed(keys):
        shown.sort(key=lambda image, k=key: _text(image.get(k)), reverse=direction != "asc")  # type: ignore[misc]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _show(call: Call) -> Reply:
    return Reply(_view(find(call)))


def _file(call: Call) -> Reply:
    image = find(call)
    return Reply(path=image.path) if image.path else Reply(None, 204)


def _patch(call: Call) -> Reply:
    """application/openstack-images-v2.1-json-patch: [{"op": "add", "path": "/name", "value": "..."}]"""
    image = _own(call)
    if not isinstance(call.body, list):
        raise ApiError(400, "Request body must be a JSON array of operation objects.", "BadRequest")
    for change in call.body:
        if not isinstance(change, dict) or change.get("op") not in {"add", "replace", "remove"}:
            raise ApiError(400, "Unable to find 'op' in JSON Schema change", "BadRequest")
        name = str(change.get("path", "")).lstrip("/")
        if change["op"] == "remove":
            if image.properties.pop(name, None) is None:
                raise ApiError(409, f"Property {name} does not exist.", "Conflict")
        elif name in _CORE:
            setattr(image, name, change.get("value"))
        elif name in _view(image) and name not in image.properties:
            raise ApiError(403, f"Attribute '{name}' is read-only.", "Forbidden")
        else:
            image.properties[name] = str(change.get("value"))
    image.updated = now()
    return Reply(_view(image))


def _delete(call: Call) -> Reply:
    image = _own(call)
    if image.protected:
        raise ApiError(403, f"Image {image.id} is protected and cannot be deleted.", "Forbidden")
    if call.cloud.image_clones(image):
        words = "it is in use: The image cannot be deleted because it is in use through the backend store"
        raise ApiError(409, f"Image {image.id} could not be deleted because {words} outside of Glance.")
    del call.cloud.images[image.id]
    if image.snapshot_id is not None and image.status == "active":
        hypervisor, snapshot_id = call.cloud.hypervisor, image.snapshot_id
        call.cloud.jobs.submit(f"image/{image.id}", lambda: hypervisor.delete_snapshot(snapshot_id))
    return Reply(None, 204)


def _tag(call: Call) -> Reply:
    image, tag = _own(call), call.ids["tag"]
    if call.method == "PUT" and tag not in image.tags:
        image.tags.append(tag)
    elif call.method == "DELETE":
        if tag not in image.tags:
            raise ApiError(404, "Could not find the tag", "NotFound")
        image.tags.remove(tag)
    return Reply(None, 204)


def _members(call: Call) -> Reply:
    message = f"Not allowed to list members for image {find(call).id}: Only shared images have members."
    raise ApiError(403, message, "Forbidden")


def size_gib(image: Image) -> int:
    return -(-(image.size_bytes or 0) // _GIB)


def virtual_size(image: Image) -> int | None:
    """Bytes; as Glance finds out only where it need not ask qemu-img."""
    return image.size_bytes if image.disk_format == "raw" else None


ROUTES = [
    Route("GET", "/v2/images", _list),
    Route("GET", "/v2/images/{id}", _show),
    Route("GET", "/v2/images/{id}/file", _file),
    Route("PATCH", "/v2/images/{id}", _patch),
    Route("DELETE", "/v2/images/{id}", _delete),
    Route("PUT", "/v2/images/{id}/tags/{tag}", _tag),
    Route("DELETE", "/v2/images/{id}/tags/{tag}", _tag),
    Route("GET", "/v2/images/{id}/members", _members),
]
