"""The API on a database server that goes away: a clear answer at once, and work again when it is back."""

from pathlib import Path

import pytest
import requests

from coriolis.config import load_settings
from tests.services import MariaDb
from tests.services.tables import make_tables
from tests.unit.api.live_server import Clouds, LiveServer, wait_for


def test_requests_are_answered_and_jobs_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clouds: Clouds
) -> None:
    with MariaDb() as database:
        url = database.new_database()
        make_tables(url)
        file = tmp_path / "coriolis.conf"
        file.write_text(
            f"[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n[database]\nconnection = {url}\n"
            "[engine]\nlease_seconds = 5\nheartbeat_seconds = 1\n"
        )
        with LiveServer(tmp_path / "state", monkeypatch, load_settings(file)) as server:
            transfer = server.transfer(clouds)
            hold = server.hold()
            execution = server.execute(transfer)
            database.kill()
            for method in ("GET", "POST"):
                body = {"execution": {"shutdown_instances": False}}
                path = f"{server.url}/transfers/{transfer}/executions"
                answer = requests.request(method, path, json=body, timeout=60)
                assert answer.status_code == 503, answer.text
                assert answer.headers["Retry-After"]
                error = answer.json()["error"]
                assert (error["error_code"], error["fault"]) == ("CORI-8031", "serviceUnavailable")
                assert database.password not in answer.text
            database.start()
            hold.unlink()
            wait_for(lambda: requests.get(f"{server.url}/transfers", timeout=60).ok, 60)
            assert server.execution_ended(transfer, execution)["status"] == "COMPLETED"
