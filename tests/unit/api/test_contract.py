"""What existing clients were recorded to send and to receive."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest
import requests

from tests.unit.api.directory_cloud import PLATFORM, connection
from tests.unit.api.live_server import Clouds, LiveServer, wait_for
from tests.unit.api.shapes import assert_shape


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def test_providers_and_schemas(server: LiveServer) -> None:
    providers = server.call("GET", "/providers")["providers"]
    assert set(providers) == {PLATFORM}
    assert 16 in providers[PLATFORM]["types"]
    for number, name in ((16, "connection_info"), (4, "destination_environment"), (8, "source_environment")):
        schemas = server.call("GET", f"/providers/{PLATFORM}/schemas/{number}")["schemas"]
        assert list(schemas) == [f"{name}_schema"]
        assert schemas[f"{name}_schema"]["type"] == "object"


def test_the_life_of_an_endpoint(server: LiveServer, clouds: Clouds) -> None:
    body: dict[str, Any] = {
        "name": "src1",
        "type": PLATFORM,
        "description": None,
        "connection_info": connection(clouds.source),
        "mapped_regions": [],
    }
    made = server.call("POST", "/endpoints", {"endpoint": body})["endpoint"]
    assert_shape(made, "{endpoint}")
    assert (made["updated_at"], made["deleted_at"], made["deleted"]) == (None, None, "0")
    path = f"/endpoints/{made['id']}"

    validation = server.call("POST", f"{path}/actions", {"validate-connection": None})["validate-connection"]
    assert_shape(validation, "{validation}")
    assert validation["valid"] is True

    for listing in ("/endpoints", "/endpoints/detail"):
        assert_shape(server.call("GET", listing)["endpoints"], "[{endpoint}]")
    changed = server.call("PUT", path, {"endpoint": {"description": "the old one"}})["endpoint"]
    assert_shape(changed, "{endpoint}")
    assert changed["description"] == "the old one"
    assert changed["updated_at"] is not None

    assert server.call("DELETE", path, expect=204) is None
    assert server.call("GET", path, expect=404)["error"]["fault"] == "itemNotFound"
    deleted = server.call("GET", "/endpoints", show_deleted=True)["endpoints"]
    assert [(item["id"], item["deleted"]) for item in deleted] == [(made["id"], made["id"])]


def test_what_an_endpoint_has(server: LiveServer, clouds: Clouds) -> None:
    path = f"/endpoints/{server.endpoint('src1', clouds.source)}"
    instances = server.call("GET", f"{path}/instances")["instances"]
    assert_shape(instances, "[{instance_summary}]")
    assert [item["name"] for item in instances] == ["db", "web"]
    page = server.call("GET", f"{path}/instances", marker=instances[0]["id"], limit=1, refresh=True)[
        "instances"
    ]
    assert [item["name"] for item in page] == ["web"]
    assert [i["name"] for i in server.call("GET", f"{path}/instances", name="d")["instances"]] == ["db"]

    for name in (_encoded("web"), _encoded("web").rstrip("="), _encoded("id-2")):
        instance = server.call("GET", f"{path}/instances/{name}")["instance"]
        assert_shape(instance, "{instance}")
        assert instance["devices"]["disks"][0]["size_bytes"] == 1 << 20

    assert_shape(server.call("GET", f"{path}/networks")["networks"], "[{named}]")
    assert_shape(server.call("GET", f"{path}/storage")["storage"], "{storage}")
    for direction in ("source", "destination"):
        options = server.call("GET", f"{path}/{direction}-options")[f"{direction}_options"]
        assert_shape(options, "[{option}]")
    wanted = _encoded('["preallocated"]').rstrip("=")
    chosen = server.call("GET", f"{path}/destination-options?options={wanted}&env={_encoded('{}')}")
    assert [option["name"] for option in chosen["destination_options"]] == ["preallocated"]

    inventory = requests.get(f"{server.url}{path}/inventory", timeout=10)
    assert inventory.headers["content-type"].startswith("text/csv")
    assert inventory.text.splitlines()[1] == "id-1,db,2,1024,linux,BIOS,small,,,,"
    assert server.call("GET", f"{path}/destination-minion-pool-options", expect=405)["error"]["code"] == 405


def test_transfer_execution_and_deployment(server: LiveServer, clouds: Clouds) -> None:
    origin, destination = server.endpoint("a", clouds.source), server.endpoint("b", clouds.destination)
    body: dict[str, Any] = {
        "origin_endpoint_id": origin,
        "destination_endpoint_id": destination,
        "destination_environment": {"network": "net-1"},
        "instances": ["web"],
        "scenario": "replica",
        "network_map": {"blue": "net-2"},
        "notes": "n1",
        "storage_mappings": {"default": "fast"},
        "user_scripts": {"global": {}, "instances": {}},
        "clone_disks": None,
        "skip_os_morphing": None,
        "source_environment": {"delay": 0.1},
    }
    transfer = server.call("POST", "/transfers", {"transfer": body})["transfer"]
    assert_shape(transfer, "{transfer}")
    assert transfer["destination_environment"] == {
        "network": "net-1",
        "network_map": {"blue": "net-2"},
        "storage_mappings": {"default": "fast"},
    }
    assert (transfer["clone_disks"], transfer["skip_os_morphing"], transfer["clustered"]) == (
        True,
        False,
        False,
    )
    assert transfer["last_execution_status"] == "UNEXECUTED"
    path = f"/transfers/{transfer['id']}"

    queued = server.call("POST", f"{path}/executions", {"execution": {"shutdown_instances": False}})[
        "execution"
    ]
    assert_shape(queued, "{execution}")
    assert (queued["number"], queued["type"], queued["action_id"]) == (
        1,
        "transfer_execution",
        transfer["id"],
    )
    ended = server.execution_ended(transfer["id"], queued["id"])
    assert_shape(ended, "{execution}")
    assert ended["status"] == "COMPLETED", ended
    copying = next(task for task in ended["tasks"] if task["task_type"] == "REPLICATE_DISKS")
    line = next(update for update in copying["progress_updates"] if update["disk_id"])
    assert (line["disk_id"], line["done_bytes"], line["total_bytes"], line["moved_bytes"]) == (
        "disk-web",
        1 << 20,
        1 << 20,
        1 << 18,
    )
    assert copying["events"][0]["level"] == "INFO"

    latest = server.call("GET", f"{path}/executions", limit=10, sort_key="number", sort_dir="desc")
    assert_shape(latest["executions"], "[{execution}]")
    assert_shape(server.call("GET", "/transfers")["transfers"], "[{transfer}]")
    detail = server.call("GET", "/transfers/detail", include_task_info=True)["transfers"][0]
    assert [run["id"] for run in detail["executions"]] == [queued["id"]]
    assert detail["info"]["web"]["volumes_info"][0]["disk_id"] == "disk-web"

    wanted = {
        "transfer_id": transfer["id"],
        "clone_disks": None,
        "force": False,
        "skip_os_morphing": None,
        "user_scripts": {"global": {}, "instances": {}},
    }
    deployment = server.call("POST", "/deployments", {"deployment": wanted})["deployment"]
    assert_shape(deployment, "{deployment}")
    assert deployment["transfer_scenario_type"] == "replica"
    done = server.deployment_ended(deployment["id"])
    assert_shape(done, "{deployment}")
    assert done["last_execution_status"] == "COMPLETED", done
    assert done["transfer_result"]["web"]["name"] == "web"
    assert_shape(server.call("GET", "/deployments")["deployments"], "[{deployment_summary}]")
    assert_shape(server.call("GET", "/deployments/detail")["deployments"], "[{deployment}]")

    resources = server.call("GET", "/resources")["resources"]
    assert_shape(resources, "[{resource}]")
    assert {item["state"] for item in resources} == {"kept"}
    assert server.call("GET", "/resources", leftover=True)["resources"] == []
    assert len(server.call("GET", "/resources", all=True)["resources"]) > len(resources)

    server.call("DELETE", f"/deployments/{deployment['id']}", expect=204)
    removed = server.call("POST", f"{path}/actions", {"delete-disks": None})["execution"]
    assert (removed["type"], removed["number"]) == ("transfer_disks_delete", 2)
    assert server.execution_ended(transfer["id"], removed["id"])["status"] == "COMPLETED"
    assert server.call("POST", f"{path}/actions", {"delete-disks": None}, expect=400)["error"]["code"] == 400
    server.call("DELETE", f"{path}/executions/{queued['id']}", expect=204)
    server.call("DELETE", path, expect=204)
    assert server.call("GET", "/transfers")["transfers"] == []


def test_an_update_answers_with_an_execution(server: LiveServer, clouds: Clouds) -> None:
    path = f"/transfers/{server.transfer(clouds)}"
    body = {
        "destination_environment": {"network": "net-2"},
        "notes": "newnote",
        "user_scripts": {"global": {}, "instances": {}},
    }
    execution = server.call("PUT", path, {"transfer": body})["execution"]
    assert_shape(execution, "{execution}")
    assert (execution["type"], execution["status"]) == ("transfer_update", "COMPLETED")
    assert server.call("GET", f"{path}/executions/{execution['id']}")["execution"] == execution
    changed = server.call("GET", path)["transfer"]
    assert changed["notes"] == "newnote"
    assert changed["destination_environment"]["network"] == "net-2"
    assert changed["destination_environment"]["network_map"] == {"blue": "net-2"}


@pytest.mark.parametrize("body", [{"cancel": {"force": False}}, {"cancel": None}])
def test_a_cancel(server: LiveServer, clouds: Clouds, body: dict[str, Any]) -> None:
    transfer = server.transfer(clouds)
    server.hold()
    execution = server.execute(transfer)
    path = f"/transfers/{transfer}/executions/{execution}"
    server.call("POST", f"{path}/actions", body, expect=204)
    assert server.execution_ended(transfer, execution)["status"] == "CANCELED"
    again = server.call("POST", f"{path}/actions", body, expect=409)
    assert_shape(again["error"], "{error}")
    assert server.call("GET", f"/transfers/{transfer}")["transfer"]["last_execution_status"] == "CANCELED"


def test_a_cancelled_deployment_leaves_the_replica_as_it_was(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds)
    server.execution_ended(transfer, server.execute(transfer))
    replica = clouds.destination / "volumes" / server.call("GET", "/resources")["resources"][0]["cloud_id"]
    before = replica.read_bytes()
    hold = server.hold()
    deployment = server.call("POST", "/deployments", {"deployment": {"transfer_id": transfer}})["deployment"][
        "id"
    ]
    wait_for(lambda: len(list((clouds.destination / "workers").iterdir())) == 1)
    assert server.call("DELETE", f"/deployments/{deployment}", expect=409)["error"]["code"] == 409
    server.call("POST", f"/deployments/{deployment}/actions", {"cancel": {"force": False}}, expect=204)
    assert server.deployment_ended(deployment)["last_execution_status"] == "CANCELED"
    hold.unlink()
    assert replica.read_bytes() == before
    assert (
        list((clouds.destination / "workers").iterdir()) == list((clouds.destination / "vms").iterdir()) == []
    )
    assert [item["kind"] for item in server.call("GET", "/resources")["resources"]] == ["disk"]


def test_services_regions_pools_schedules_and_diagnostics(server: LiveServer, clouds: Clouds) -> None:
    services = server.call("GET", "/services")["services"]
    assert_shape(services, "[{service}]")
    assert services[0]["status"] == "UP"
    assert server.call("GET", f"/services/{services[0]['id']}")["service"]["host"] == services[0]["host"]
    assert_shape(server.call("GET", "/diagnostics")["diagnostics"], "[{specs}]")
    assert server.call("GET", "/regions") == {"regions": []}
    assert server.call("GET", "/minion_pools") == {"minion_pools": []}
    assert server.call("GET", f"/transfers/{server.transfer(clouds)}/schedules") == {"schedules": []}


def test_versions_health_and_openapi(server: LiveServer) -> None:
    def get(path: str) -> Any:
        answer = requests.get(server.root_url + path, timeout=10)
        assert answer.status_code == 200
        return answer.json()

    assert get("/")["versions"][0]["id"] == "v1"
    assert get("/v1")["version"]["status"] == "CURRENT"
    assert get("/healthz") == {"status": "ok"}
    assert "/v1/{project_id}/transfers/{transfer_id}/executions" in get("/openapi.json")["paths"]


def test_projects_do_not_see_each_other(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds)
    execution = server.execute(transfer)
    server.execution_ended(transfer, execution)
    other = f"{server.root_url}/v1/p2"
    for listing in ("endpoints", "transfers", "deployments", "resources"):
        assert requests.get(f"{other}/{listing}", timeout=10).json() == {listing: []}
    for path in (f"transfers/{transfer}", f"transfers/{transfer}/executions/{execution}"):
        assert requests.get(f"{other}/{path}", timeout=10).status_code == 404


def test_pages_sorting_and_status(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds)
    for _ in range(3):
        server.execution_ended(transfer, server.execute(transfer))
    path = f"/transfers/{transfer}/executions"

    def numbers(**query: Any) -> list[int]:
        return [run["number"] for run in server.call("GET", path, **query)["executions"]]

    assert numbers(sort_key="number", sort_dir="asc") == [1, 2, 3]
    assert numbers(sort_keys="number", sort_dirs="desc") == [3, 2, 1]
    assert numbers() == [3, 2, 1]
    last = server.call("GET", path, limit=1)["executions"][0]["id"]
    assert numbers(marker=last, limit=1) == [2]
    assert numbers(limit=0) == [3, 2, 1]
    for status, count in (("COMPLETED", 1), ("UNEXECUTED", 0), ("DEADLOCKED", 0)):
        assert len(server.call("GET", "/transfers", status=status)["transfers"]) == count
