"""/regions and /services, and endpoints that are mapped to regions."""

from typing import Any

import requests

from tests.unit.api.directory_cloud import PLATFORM, connection
from tests.unit.api.live_server import Clouds, LiveServer
from tests.unit.api.shapes import assert_shape


def _region(server: LiveServer, name: str = "R1") -> dict[str, Any]:
    made: dict[str, Any] = server.call("POST", "/regions", {"region": {"name": name, "description": "d1"}})[
        "region"
    ]
    return made


def test_the_life_of_a_region(server: LiveServer) -> None:
    made = _region(server)
    assert_shape(made, "{region}")
    assert (made["enabled"], made["mapped_services"], made["mapped_endpoints"]) == (True, [], [])
    path = f"/regions/{made['id']}"
    for listing in ("/regions", "/regions/detail"):
        assert server.call("GET", listing)["regions"] == [made]
    assert server.call("GET", path)["region"] == made
    assert server.call("POST", "/regions", {"region": {"name": "R1"}}, expect=409)["error"]["code"] == 409
    changed = server.call("PUT", path, {"region": {"name": "R2", "description": None, "enabled": False}})[
        "region"
    ]
    assert (changed["name"], changed["description"], changed["enabled"]) == ("R2", "d1", False)
    assert server.call("DELETE", path, expect=204) is None
    assert server.call("GET", path, expect=404)["error"]["fault"] == "itemNotFound"
    assert server.call("GET", "/regions") == {"regions": []}


def test_an_endpoint_of_a_region(server: LiveServer, clouds: Clouds) -> None:
    region = _region(server)
    body = {
        "name": "e",
        "type": PLATFORM,
        "connection_info": connection(clouds.source),
        "mapped_regions": ["nowhere"],
    }
    told = server.call("POST", "/endpoints", {"endpoint": body}, expect=400)["error"]["message"]
    assert told == "endpoint.mapped_regions: there is no region 'nowhere'."
    endpoint = server.call("POST", "/endpoints", {"endpoint": {**body, "mapped_regions": [region["id"]]}})[
        "endpoint"
    ]
    assert endpoint["mapped_regions"] == [region["id"]]
    assert server.call("GET", f"/regions/{region['id']}")["region"]["mapped_endpoints"] == [endpoint["id"]]
    assert server.call("DELETE", f"/regions/{region['id']}", expect=409)["error"]["code"] == 409
    # the embedded server is alone, and works for every region
    assert server.call("GET", f"/endpoints/{endpoint['id']}/networks")["networks"]
    server.call("PUT", f"/endpoints/{endpoint['id']}", {"endpoint": {"mapped_regions": []}})
    server.call("DELETE", f"/regions/{region['id']}", expect=204)


def test_the_life_of_a_service(server: LiveServer) -> None:
    (own,) = server.call("GET", "/services")["services"]
    assert (own["binary"], own["topic"], own["status"]) == ("coriolis-serve", "coriolis-conductor", "UP")
    assert set(own["providers"]) == {PLATFORM}
    region = _region(server)
    body = {
        "host": "h9",
        "binary": "coriolis-conductor",
        "topic": "coriolis-conductor",
        "mapped_regions": [region["id"]],
    }
    made = server.call("POST", "/services", {"service": body})["service"]
    assert_shape(made["mapped_regions"], "[str]")
    assert (made["status"], made["enabled"], made["providers"], made["specs"]) == ("UNKNOWN", True, {}, {})
    assert server.call("POST", "/services", {"service": body}, expect=409)["error"]["code"] == 409
    assert server.call("GET", f"/regions/{region['id']}")["region"]["mapped_services"] == [made["id"]]
    assert len(server.call("GET", "/services/detail")["services"]) == 2
    path = f"/services/{made['id']}"
    changed = server.call("PUT", path, {"service": {"enabled": False, "mapped_regions": []}})["service"]
    assert (changed["enabled"], changed["mapped_regions"]) == (False, [])
    server.call("PUT", path, {"service": {"mapped_regions": ["nowhere"]}}, expect=400)
    server.call("DELETE", path, expect=204)
    server.call("GET", path, expect=404)


def test_diagnostics_are_of_the_services_that_have_run(server: LiveServer) -> None:
    body = {"host": "h9", "binary": "coriolis-conductor", "topic": "coriolis-conductor"}
    server.call("POST", "/services", {"service": body})
    (found,) = server.call("GET", "/diagnostics")["diagnostics"]
    assert_shape(found, "{specs}")
    assert found["application"] == "coriolis-serve"


def test_readiness_counts_the_conductors(server: LiveServer) -> None:
    assert requests.get(f"{server.root_url}/readyz", timeout=10).json() == {"status": "ok", "conductors": 1}
    (own,) = server.call("GET", "/services")["services"]
    server.call("PUT", f"/services/{own['id']}", {"service": {"enabled": False}})
    assert requests.get(f"{server.root_url}/readyz", timeout=10).json()["conductors"] == 0
