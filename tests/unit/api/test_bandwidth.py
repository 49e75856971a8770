"""Limits of bandwidth as clients set them."""

import pytest

from tests.unit.api.live_server import Clouds, LiveServer, wait_for

LIMIT = "08:00-18:00 50 MiB/s, 1 GiB/s"


def test_a_transfer_has_a_limit_until_it_is_taken_back(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds, bandwidth_limit=LIMIT)
    path = f"/transfers/{transfer}"
    assert server.call("GET", path)["transfer"]["bandwidth_limit"] == LIMIT
    for sent, shown in (("unlimited", "unlimited"), ("default", None)):
        done = server.call("PUT", path, {"transfer": {"bandwidth_limit": sent}})["execution"]
        assert done["status"] == "COMPLETED"
        assert server.call("GET", path)["transfer"]["bandwidth_limit"] == shown


def test_an_endpoint_has_one_too(server: LiveServer, clouds: Clouds) -> None:
    transfer = server.call("GET", f"/transfers/{server.transfer(clouds)}")["transfer"]
    path = f"/endpoints/{transfer['origin_endpoint_id']}"
    assert server.call("GET", path)["endpoint"]["bandwidth_limit"] is None
    for sent, shown in ((LIMIT, LIMIT), ("default", None)):
        changed = server.call("PUT", path, {"endpoint": {"bandwidth_limit": sent}})["endpoint"]
        assert changed["bandwidth_limit"] == shown


@pytest.mark.parametrize("limit", ["fast", "1 KiB/s", "25:00-26:00 1 MiB/s", "x" * 2000])
def test_what_is_no_limit_is_refused(server: LiveServer, clouds: Clouds, limit: str) -> None:
    path = f"/transfers/{server.transfer(clouds)}"
    refused = server.call("PUT", path, {"transfer": {"bandwidth_limit": limit}}, expect=400)
    assert "bandwidth_limit" in refused["error"]["message"]


def test_only_the_bandwidth_changes_while_a_run_is_active(server: LiveServer, clouds: Clouds) -> None:
    """The answer is the run that follows it: no other one has begun."""
    transfer = server.transfer(clouds)
    path = f"/transfers/{transfer}"
    held = server.hold()
    run = server.execute(transfer)
    changed = server.call("PUT", path, {"transfer": {"bandwidth_limit": LIMIT}})["execution"]
    assert changed["id"] == run
    refused = {"bandwidth_limit": "unlimited", "notes": "now"}
    server.call("PUT", path, {"transfer": refused}, expect=409)
    assert server.call("GET", path)["transfer"]["bandwidth_limit"] == LIMIT
    held.unlink()
    server.execution_ended(transfer, run)
    wait_for(lambda: server.call("GET", path)["transfer"]["last_execution_status"] == "COMPLETED")
