"""Verifying replicas as clients see it."""

from tests.unit.api.live_server import Clouds, LiveServer
from tests.unit.api.shapes import assert_shape


def test_a_verification_is_an_execution(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds)
    path = f"/transfers/{transfer}"
    refused = server.call("POST", f"{path}/verifications", {"verification": None}, expect=400)
    assert "no replica that was copied" in refused["error"]["message"]
    server.execution_ended(transfer, server.execute(transfer))
    queued = server.call("POST", f"{path}/verifications", {"verification": None})["execution"]
    assert_shape(queued, "{execution}")
    assert (queued["number"], queued["type"], queued["action_id"]) == (2, "transfer_verify", transfer)
    ended = server.execution_ended(transfer, queued["id"])
    assert_shape(ended, "{execution}")
    assert ended["status"] == "COMPLETED", ended
    assert [task["task_type"] for task in ended["tasks"]] == [
        "GET_INSTANCE_INFO",
        "VALIDATE_TRANSFER_DESTINATION_INPUTS",
        "DEPLOY_TRANSFER_TARGET_RESOURCES",
        "VERIFY_DISKS",
        "DELETE_TRANSFER_TARGET_RESOURCES",
    ]
    said = [(event["level"], event["message"]) for event in ended["tasks"][3]["events"]]
    assert said[0][0] == "WARNING"  # the copies of these tests leave no list
    assert said[-1][1].startswith("Verified 0 disk(s)")


def test_bodies_that_are_none(server: LiveServer, clouds: Clouds) -> None:
    path = f"/transfers/{server.transfer(clouds)}/verifications"
    for body in ({"verify": None}, {"verification": {"disk": 1}}):
        assert server.call("POST", path, body, expect=400)["error"]["fault"] == "badRequest"
