"""A migration as clients of the API see it."""

from typing import Any

import pytest
import requests

from tests.unit.api.live_server import Clouds, LiveServer, wait_for
from tests.unit.api.shapes import assert_shape


def _live(server: LiveServer, clouds: Clouds) -> str:
    return server.transfer(clouds, scenario="live_migration")


def _ended(server: LiveServer, path: str) -> dict[str, Any]:
    last: dict[str, Any] = {}

    def ended() -> bool:
        last.update(server.call("GET", path)["migration"])
        return last["status"] in ("COMPLETED", "ERROR", "CANCELED")

    wait_for(ended)
    return last


def test_a_migration_from_its_request_to_its_downtime(server: LiveServer, clouds: Clouds) -> None:
    transfer = _live(server, clouds)
    path = f"/transfers/{transfer}/migrations"
    assert server.call("GET", path) == {"migrations": []}
    assert server.call("GET", f"/transfers/{transfer}")["transfer"]["migration"] is None
    begun = server.call("POST", path, {"migration": {"max_passes": 3, "skip_os_morphing": True}})["migration"]
    assert_shape(begun, "{migration_in_full}")
    assert (begun["status"], begun["phase"], begun["max_passes"]) == ("RUNNING", "copying", 3)
    done = _ended(server, f"{path}/{begun['id']}")
    assert_shape(done, "{migration_in_full}")
    assert done["status"] == "COMPLETED", done
    assert done["cutover_reason"] == "small_delta"
    assert [item["moved_bytes"] for item in done["passes"]] == [1 << 18, 1 << 18]
    assert_shape(done["downtime"]["web"], "{downtime}")
    assert (clouds.source / "instances" / "id-2.off").exists()
    assert_shape(server.call("GET", path)["migrations"], "[{migration}]")
    shown = server.call("GET", f"/transfers/{transfer}")["transfer"]
    assert_shape(shown, "{transfer}")
    assert shown["migration"]["id"] == begun["id"]
    deployment = server.call("GET", f"/deployments/{done['deployment_id']}")["deployment"]
    assert_shape(deployment, "{deployment}")
    assert (deployment["migration_id"], deployment["downtime"]) == (begun["id"], done["downtime"])
    assert deployment["skip_os_morphing"] is True
    again = server.call("POST", path, {"migration": None}, expect=409)["error"]
    assert "was deployed already" in again["message"]


def test_an_execution_of_a_live_migration_is_one_run_as_ever(server: LiveServer, clouds: Clouds) -> None:
    transfer = _live(server, clouds)
    execution = server.execution_ended(transfer, server.execute(transfer))
    assert execution["status"] == "COMPLETED"
    made = server.call("POST", "/deployments", {"deployment": {"transfer_id": transfer}})["deployment"]["id"]
    assert server.deployment_ended(made)["last_execution_status"] == "COMPLETED"
    shown = server.call("GET", f"/deployments/{made}")["deployment"]
    assert (shown["migration_id"], shown["downtime"]) == (None, None)
    assert len(server.call("GET", f"/transfers/{transfer}/executions")["executions"]) == 1


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"migration": {"max_passes": 0}}, "migration.max_passes"),
        ({"migration": {"small_delta_seconds": -1}}, "migration.small_delta_seconds"),
        ({"migration": {"speed": 1}}, "migration.speed: there is no such field."),
        ({}, "migration: this field is required."),
    ],
)
def test_what_cannot_be_wished(server: LiveServer, clouds: Clouds, body: Any, complaint: str) -> None:
    path = f"/transfers/{_live(server, clouds)}/migrations"
    assert complaint in server.call("POST", path, body, expect=400)["error"]["message"]
    assert server.call("GET", path) == {"migrations": []}


def test_a_replica_is_refused(server: LiveServer, clouds: Clouds) -> None:
    path = f"/transfers/{server.transfer(clouds)}/migrations"
    told = server.call("POST", path, {"migration": {}}, expect=400)["error"]["message"]
    assert "only a live_migration can be migrated" in told


def test_a_cancel_and_other_projects(server: LiveServer, clouds: Clouds) -> None:
    transfer = _live(server, clouds)
    path = f"/transfers/{transfer}/migrations"
    server.hold()
    begun = server.call("POST", path, {"migration": {}})["migration"]
    one = f"{path}/{begun['id']}"
    for method, below in (("GET", path), ("GET", one), ("POST", path)):
        answer = requests.request(
            method, f"{server.root_url}/v1/p2{below}", json={"migration": {}}, timeout=30
        )
        assert answer.status_code == 404
    second = server.transfer(clouds, "db", scenario="live_migration")
    server.call("GET", f"/transfers/{second}/migrations/{begun['id']}", expect=404)
    in_use = server.call(
        "POST", f"/transfers/{transfer}/executions", {"execution": {"auto_deploy": False}}, expect=409
    )
    assert "is in use by" in in_use["error"]["message"]
    server.call("POST", f"{one}/actions", {"cancel": {"force": True}}, expect=204)
    assert _ended(server, one)["status"] == "CANCELED"
    server.call("POST", f"{one}/actions", {"cancel": None}, expect=409)
