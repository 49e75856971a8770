"""/v1/images: properties apart, metadata of one image as headers of HEAD, its data as the answer to GET."""

from coriolis_lab.openstack.image.images import find, virtual_size
from coriolis_lab.openstack.paging import page
from coriolis_lab.openstack.records import Image
from coriolis_lab.openstack.releases import Release
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, seconds

_PAGE = 25  # limit_param_default
_BRIEF = ("id", "name", "disk_format", "container_format", "size", "checksum")
_FILTERS = frozenset({"name", "container_format", "disk_format", "status"})


def has_v1(release: Release) -> bool:
    return 1 in release.image


def _view(image: Image) -> Json:
    return {
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "is_public": image.visibility == "public",
        "protected": image.protected,
        "deleted": False,
        "deleted_at": None,
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": "bare",
        "size": image.size_bytes,
        "virtual_size": virtual_size(image),
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "checksum": None,
        "created_at": seconds(image.created),
        "updated_at": seconds(image.updated),
        "properties": dict(image.properties),
    }


def _wanted(call: Call) -> list[Json]:
    """Shared images of other projects are not shown, as the registry had it."""
    visible = [i for i in call.cloud.images.values() if i.visibility == "public" or call.sees(i.owner)]
    shown = [_view(image) for image in sorted(visible, key=lambda i: (i.created, i.id), reverse=True)]
    for key, value in call.query.multi_items():
        if key in _FILTERS:
            shown = [image for image in shown if str(image[key]) == value]
        elif key.startswith("property-"):
            shown = [
                image for image in shown if image["properties"].get(key.removeprefix("property-")) == value
            ]
    found, _ = page(call, shown, [image["id"] for image in shown])
    return found if "limit" in call.query else found[:_PAGE]


def _list(call: Call) -> Reply:
    return Reply({"images": [{key: image[key] for key in _BRIEF} for image in _wanted(call)]})


def _list_details(call: Call) -> Reply:
    return Reply({"images": _wanted(call)})


def _headers(image: Image) -> dict[str, str]:
    view = _view(image)
    properties = view.pop("properties")
    shown = {f"x-image-meta-{key}": str(value) for key, value in view.items() if value is not None}
    return {**shown, **{f"x-image-meta-property-{key}": value for key, value in properties.items()}}


def _head(call: Call) -> Reply:
    return Reply(None, 200, _headers(find(call)))


def _data(call: Call) -> Reply:
    image = find(call)
    if image.path is None:
        raise ApiError(404, f"Image data for {image.id} is not there.", "NotFound")
    return Reply(path=image.path, headers=_headers(image))


ROUTES = [
    Route("GET", "/v1/images", _list, of_release=has_v1),
    Route("GET", "/v1/images/detail", _list_details, of_release=has_v1),
    # before GET, whose route would answer HEAD too
    Route("HEAD", "/v1/images/{id}", _head, of_release=has_v1),
    Route("GET", "/v1/images/{id}", _data, of_release=has_v1),
]
