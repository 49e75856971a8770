"""`coriolis transfer verify` against a live server."""

import json

from tests.unit.api.live_server import Clouds, LiveServer
from tests.unit.cli.conftest import Coriolis


def test_findings_are_shown(coriolis: Coriolis, server: LiveServer, clouds: Clouds) -> None:
    transfer = server.transfer(clouds)
    assert "no replica that was copied" in coriolis("transfer", "verify", transfer, code=1)
    coriolis("transfer", "execute", transfer, "--wait")
    shown = json.loads(coriolis("transfer", "verify", transfer, "--wait", "-f", "json"))
    assert (shown["type"], shown["status"]) == ("transfer_verify", "COMPLETED")
    # the copies of these tests leave no list to verify by
    assert shown["findings"][0].startswith("web: Disk disk-web is not verified: ")
    assert shown["findings"][-1].startswith("web: Verified 0 disk(s), 0 B re-read in ")
