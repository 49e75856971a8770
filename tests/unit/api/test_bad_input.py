"""What cannot work is refused with a message that names it, before anything is written."""

import json
from typing import Any

import pytest
import requests

from tests.unit.api.directory_cloud import PLATFORM, connection
from tests.unit.api.live_server import Clouds, LiveServer
from tests.unit.api.shapes import assert_shape

NOWHERE = "00000000-0000-0000-0000-000000000000"


def _refused(server: LiveServer, code: int, method: str, path: str, body: Any = None, **query: Any) -> str:
    error = server.call(method, path, body, expect=code, **query)["error"]
    assert_shape(error, "{error}")
    assert error["code"] == code
    message: str = error["message"]
    return message


def _endpoint(**changes: Any) -> dict[str, Any]:
    body = {"name": "e", "type": PLATFORM, "connection_info": {"directory": "/srv", "password": "x"}}
    return {"endpoint": {**body, **changes}}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (None, "The request body: this field is required."),
        ([], "The request body: Input should be a valid dictionary"),
        ({}, "endpoint: this field is required."),
        ({"endpoint": None}, "endpoint: Input should be a valid dictionary"),
        ({"endpoint": {"type": PLATFORM}}, "endpoint.name: this field is required."),
        (_endpoint(name=""), "endpoint.name: String should have at least 1 character."),
        (_endpoint(name=7), "endpoint.name: Input should be a valid string."),
        (_endpoint(colour="blue"), "endpoint.colour: there is no such field."),
        (_endpoint(connection_info="text"), "endpoint.connection_info: Input should be a valid dictionary."),
        (_endpoint(mapped_regions="r"), "endpoint.mapped_regions: Input should be a valid list."),
        (_endpoint(type="punchcards"), "No provider for platform 'punchcards'; there are: directory."),
        (_endpoint(connection_info=None), "connection_info.directory: a string is needed."),
        (_endpoint(connection_info={"directory": "/srv"}), "connection_info.password: a string is needed."),
        (
            _endpoint(connection_info={"directory": "/srv", "password": "***"}),
            "endpoint.connection_info.password: '***' stands for a stored secret, but none is stored.",
        ),
        (_endpoint(connection_info={"secret_ref": "http://b/1"}), "secrets of Barbican need"),
    ],
)
def test_endpoints_that_cannot_be_made(server: LiveServer, body: Any, complaint: str) -> None:
    assert complaint in _refused(server, 400, "POST", "/endpoints", body)
    assert server.call("GET", "/endpoints")["endpoints"] == []


def test_broken_json(server: LiveServer) -> None:
    answer = requests.post(f"{server.url}/endpoints", data='{"endpoint": {"name": "hunter2",', timeout=10)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message.startswith("The request body is not valid JSON: ")
    assert "hunter2" not in answer.text


def test_json_need_not_say_that_it_is_json(server: LiveServer) -> None:
    answer = requests.post(
        f"{server.url}/endpoints",
        data=json.dumps(_endpoint()).encode(),
        timeout=10,
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/endpoints/{NOWHERE}"),
        ("PUT", f"/endpoints/{NOWHERE}"),
        ("DELETE", f"/endpoints/{NOWHERE}"),
        ("POST", f"/endpoints/{NOWHERE}/actions"),
        ("GET", f"/endpoints/{NOWHERE}/instances"),
        ("GET", f"/endpoints/{NOWHERE}/inventory"),
        ("GET", f"/transfers/{NOWHERE}"),
        ("DELETE", f"/transfers/{NOWHERE}"),
        ("GET", f"/transfers/{NOWHERE}/executions"),
        ("GET", f"/transfers/{NOWHERE}/schedules"),
        ("POST", f"/transfers/{NOWHERE}/actions"),
        ("GET", f"/deployments/{NOWHERE}"),
        ("DELETE", f"/deployments/{NOWHERE}"),
        ("GET", f"/services/{NOWHERE}"),
        ("GET", f"/regions/{NOWHERE}"),
        ("GET", "/nonsense"),
    ],
)
def test_what_is_not_there(server: LiveServer, method: str, path: str) -> None:
    bodies = {
        "PUT": {"endpoint": {"name": "new"}},
        "POST": {"delete-disks": None} if "transfers" in path else {"validate-connection": None},
    }
    message = _refused(server, 404, method, path, bodies.get(method))
    assert "not" in message  # how the existing client knows that it gave a name, not an id


def test_wrong_types_in_the_path_and_the_query(server: LiveServer, clouds: Clouds) -> None:
    assert "provider_type: Input should be a valid integer" in _refused(
        server, 400, "GET", f"/providers/{PLATFORM}/schemas/connection"
    )
    assert "no schema of provider type 99" in _refused(
        server, 405, "GET", f"/providers/{PLATFORM}/schemas/99"
    )
    assert "No provider for platform" in _refused(server, 400, "GET", "/providers/punchcards/schemas/16")
    assert "limit: " in _refused(server, 400, "GET", "/transfers", limit="many")
    assert "limit: " in _refused(server, 400, "GET", "/transfers", limit=-1)
    assert "Cannot sort by 'colour'" in _refused(server, 400, "GET", "/transfers", sort_key="colour")
    assert "marker" in _refused(server, 400, "GET", "/transfers", marker=NOWHERE)
    path = f"/endpoints/{server.endpoint('e', clouds.source)}"
    assert "env: not URL-safe base64" in _refused(server, 400, "GET", f"{path}/networks", env="%%%")
    assert "env: not base64 of JSON" in _refused(server, 400, "GET", f"{path}/networks", env="Zm9v")
    assert "env: not a JSON object" in _refused(server, 400, "GET", f"{path}/networks", env="W10")
    assert "options: not a JSON list" in _refused(server, 400, "GET", f"{path}/source-options", options="e30")
    assert "method" not in _refused(server, 404, "GET", f"{path}/instances/bm9wZQ")
    assert "DELETE is not supported" in _refused(server, 405, "DELETE", "/endpoints")


def test_actions_nobody_knows(server: LiveServer, clouds: Clouds) -> None:
    endpoint = f"/endpoints/{server.endpoint('e', clouds.source)}/actions"
    assert "dance: there is no such field" in _refused(server, 400, "POST", endpoint, {"dance": None})
    assert "validate-connection: this field is required" in _refused(server, 400, "POST", endpoint, {})
    transfer = server.transfer(clouds)
    assert "delete-disks" in _refused(server, 400, "POST", f"/transfers/{transfer}/actions", {"delete": None})
    assert "force" in _refused(
        server, 400, "POST", f"/transfers/{transfer}/executions/x/actions", {"cancel": {"force": "maybe"}}
    )
    assert "retry-cleanup" in _refused(server, 400, "POST", "/resources/actions", {"forget": None})


def test_transfers_that_cannot_be_made(server: LiveServer, clouds: Clouds) -> None:
    here, there = server.endpoint("here", clouds.source), server.endpoint("there", clouds.destination)

    def refused(code: int, **changes: Any) -> str:
        body = {
            "scenario": "replica",
            "origin_endpoint_id": here,
            "destination_endpoint_id": there,
            "instances": ["web"],
        }
        return _refused(server, code, "POST", "/transfers", {"transfer": {**body, **changes}})

    assert "transfer.instances: List should have at least 1 item" in refused(400, instances=[])
    assert "transfer.instances.0" in refused(400, instances=[""])
    assert "transfer.scenario: Input should be 'replica' or 'live_migration'" in refused(
        400, scenario="replicate"
    )
    assert "transfer.clone_disks" in refused(400, clone_disks="perhaps")
    assert "Endpoint" in refused(404, origin_endpoint_id=NOWHERE)
    assert "same cloud" in refused(400, destination_endpoint_id=here)
    assert "transfer.user_scripts.all: there is no such field" in refused(400, user_scripts={"all": {}})
    assert server.call("GET", "/transfers")["transfers"] == []


def test_work_that_cannot_begin(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds)
    deployment = {"deployment": {"transfer_id": transfer}}
    assert "completed" in _refused(server, 400, "POST", "/deployments", deployment)
    assert "Transfer" in _refused(
        server, 404, "POST", "/deployments", {"deployment": {"transfer_id": NOWHERE}}
    )
    assert "no replica disks" in _refused(
        server, 400, "POST", f"/transfers/{transfer}/actions", {"delete-disks": None}
    )
    hold = server.hold()
    execution = server.execute(transfer)
    again = f"/transfers/{transfer}/executions"
    assert execution in _refused(server, 409, "POST", again, {"execution": {}})
    assert execution in _refused(server, 409, "DELETE", f"/transfers/{transfer}")
    assert execution in _refused(server, 409, "PUT", f"/transfers/{transfer}", {"transfer": {"notes": "x"}})
    assert "active" in _refused(server, 409, "DELETE", f"{again}/{execution}")
    endpoint = server.call("GET", f"/transfers/{transfer}")["transfer"]["origin_endpoint_id"]
    assert transfer in _refused(server, 409, "DELETE", f"/endpoints/{endpoint}")
    hold.unlink()
    assert server.execution_ended(transfer, execution)["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"instances": ["nobody"]}, "Instance 'nobody' was not found on endpoint 'here'."),
        ({"network_map": {}}, "Network 'blue' of instance 'web' is not in the network map."),
    ],
)
def test_what_only_the_clouds_know_fails_before_anything_is_created(
    server: LiveServer, clouds: Clouds, changes: dict[str, Any], complaint: str
) -> None:
    transfer = (
        server.transfer(clouds, **changes)
        if "instances" not in changes
        else server.transfer(clouds, "nobody")
    )
    ended = server.execution_ended(transfer, server.execute(transfer))
    assert ended["status"] == "ERROR"
    told = [task["exception_details"] for task in ended["tasks"] if task["exception_details"]]
    assert any(complaint in text for text in told), told
    assert server.call("GET", "/resources", all=True)["resources"] == []


def test_a_connection_that_is_refused_is_an_answer(server: LiveServer, clouds: Clouds) -> None:
    body = _endpoint(connection_info=connection(clouds.source, "wrong password"))
    endpoint = server.call("POST", "/endpoints", body)["endpoint"]["id"]
    answer = server.call("POST", f"/endpoints/{endpoint}/actions", {"validate-connection": None})
    assert answer["validate-connection"]["valid"] is False
    assert "refused the credentials of user 'tester'" in answer["validate-connection"]["message"]
    error = server.call("PUT", f"/endpoints/{endpoint}", {"endpoint": {"type": "openstack"}}, expect=400)[
        "error"
    ]
    assert "endpoint.type" in error["message"]


def test_a_valid_connection_tells_what_the_cloud_lacks(server: LiveServer, clouds: Clouds) -> None:
    endpoint = server.endpoint("e", clouds.source)
    (clouds.source / "remark").write_text("It is old.")
    answer = server.call("POST", f"/endpoints/{endpoint}/actions", {"validate-connection": None})
    assert answer == {
        "validate-connection": {"valid": True, "message": "The connection is valid. It is old."}
    }


def test_a_fault_of_ours_is_a_500_in_the_envelope(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("password=hunter2")

    monkeypatch.setattr("coriolis.engine.frontdoor.FrontDoor.platforms", broken)
    error = server.call("GET", "/providers", expect=500)["error"]
    assert_shape(error, "{error}")
    assert error["message"] == "Unexpected ZeroDivisionError; the server's log has the details."
