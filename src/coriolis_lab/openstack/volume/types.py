"""/types"""

from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route


def find_type(call: Call, wanted: str | None) -> str:
    """The name of the type with that name or id; the default type for None."""
    types = call.cloud.volume_types
    if wanted is None:
        return next(iter(types))
    for name, type_id in types.items():
        if wanted in {name, type_id}:
            return name
    raise ApiError(404, f"Volume type with name {wanted} could not be found.", "VolumeTypeNotFoundByName")


def _view(call: Call, name: str) -> Json:
    backend = "ceph" if call.cloud.rbd else "lvm"
    view: Json = {
        "id": call.cloud.volume_types[name],
        "name": name,
        "is_public": True,
        "description": None,
        "os-volume-type-access:is_public": True,
        "extra_specs": {"volume_backend_name": backend} if call.is_admin else {},
    }
    if call.is_admin:
        view["qos_specs_id"] = None
    return view


def _list(call: Call) -> Reply:
    return Reply({"volume_types": [_view(call, name) for name in call.cloud.volume_types]})


def _default(call: Call) -> Reply:
    view = _view(call, find_type(call, None))
    del view["os-volume-type-access:is_public"]  # the default type's view has it not
    return Reply({"volume_type": view})


def _show(call: Call) -> Reply:
    for name, type_id in call.cloud.volume_types.items():
        if type_id == call.ids["id"]:
            return Reply({"volume_type": _view(call, name)})
    raise ApiError(404, f"Volume type {call.ids['id']} could not be found.", "VolumeTypeNotFound")


ROUTES = [
    Route("GET", "/v3/types", _list),
    Route("GET", "/v3/types/default", _default),
    Route("GET", "/v3/types/{id}", _show),
]
