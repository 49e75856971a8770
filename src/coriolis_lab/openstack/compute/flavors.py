"""/flavors"""

from collections.abc import Callable

from coriolis_lab.openstack.compute.bodies import invalid_field, required_text, string_map
from coriolis_lab.openstack.compute.views import links
from coriolis_lab.openstack.paging import next_link, page
from coriolis_lab.openstack.records import Flavor
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id


def _summary(call: Call, flavor: Flavor) -> Json:
    view: Json = {"id": flavor.id, "name": flavor.name, "links": links(call, "flavors", flavor.id)}
    if call.at_least(55):
        view["description"] = None
    return view


def _detail(call: Call, flavor: Flavor) -> Json:
    view: Json = {
        **_summary(call, flavor),
        "ram": flavor.ram_mb,
        "disk": flavor.disk_gb,
        "vcpus": flavor.vcpus,
        "swap": flavor.swap_mb or (0 if call.at_least(75) else ""),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gb,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 1.0,
    }
    if call.at_least(61):
        view["extra_specs"] = dict(flavor.extra_specs)
    return view


def _listing(call: Call, view: Callable[[Call, Flavor], Json]) -> Reply:
    flavors = sorted(call.cloud.flavors.values(), key=lambda flavor: flavor.id)
    for name, attribute in (("minRam", "ram_mb"), ("minDisk", "disk_gb")):
        if name in call.query:
            if not call.query[name].isdigit():
                raise ApiError(400, f"Invalid {name} filter [{call.query[name]}]")
            flavors = [f for f in flavors if getattr(f, attribute) >= int(call.query[name])]
    shown, more = page(call, flavors, [flavor.id for flavor in flavors])
    body: Json = {"flavors": [view(call, flavor) for flavor in shown]}
    if more:
        body["flavors_links"] = next_link(call, shown[-1].id)
    return Reply(body)


def _list(call: Call) -> Reply:
    return _listing(call, _summary)


def _list_details(call: Call) -> Reply:
    return _listing(call, _detail)


def _find(call: Call) -> Flavor:
    flavor = call.cloud.flavors.get(call.ids["id"])
    if flavor is None:
        raise ApiError(404, f"Flavor {call.ids['id']} could not be found.")
    return flavor


def _show(call: Call) -> Reply:
    return Reply({"flavor": _detail(call, _find(call))})


def _administrator(call: Call, action: str) -> None:
    if not call.is_admin:
        raise ApiError(403, f"Policy doesn't allow os_compute_api:os-flavor-manage:{action} to be performed.")


def _create(call: Call) -> Reply:
    _administrator(call, "create")
    given = call.member("flavor")
    name = required_text("flavor", given, "name")
    numbers: dict[str, int] = {}
    for field in ("vcpus", "ram", "disk"):
        if not str(given.get(field)).isdigit():
            raise invalid_field(field, given.get(field), f"{given.get(field)!r} is not of type 'integer'")
        numbers[field] = int(given[field])
    if any(flavor.name == name for flavor in call.cloud.flavors.values()):
        raise ApiError(409, f"Flavor with name {name} already exists.")
    wanted = given.get("id")
    flavor_id = new_id() if wanted in (None, "auto") else str(wanted)
    flavor = Flavor(flavor_id, name, numbers["vcpus"], numbers["ram"], numbers["disk"])
    flavor.ephemeral_gb = int(given.get("OS-FLV-EXT-DATA:ephemeral") or 0)
    flavor.swap_mb = int(given.get("swap") or 0)
    call.cloud.flavors[flavor.id] = flavor
    return Reply({"flavor": _detail(call, flavor)})


def _delete(call: Call) -> Reply:
    _administrator(call, "delete")
    del call.cloud.flavors[_find(call).id]
    return Reply(None, 202)


def _extra_specs(call: Call) -> Reply:
    flavor = _find(call)
    if call.method == "POST":
        _administrator(call, "extra_specs")
        flavor.extra_specs.update(string_map(call.member("extra_specs"), "extra_specs"))
    return Reply({"extra_specs": dict(flavor.extra_specs)})


ROUTES = [
    Route("GET", "/v2.1/flavors", _list),
    Route("POST", "/v2.1/flavors", _create),
    Route("GET", "/v2.1/flavors/detail", _list_details),
    Route("GET", "/v2.1/flavors/{id}", _show),
    Route("DELETE", "/v2.1/flavors/{id}", _delete),
    Route("GET", "/v2.1/flavors/{id}/os-extra_specs", _extra_specs),
    Route("POST", "/v2.1/flavors/{id}/os-extra_specs", _extra_specs),
]
