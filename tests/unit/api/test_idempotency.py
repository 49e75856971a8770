"""Idempotency-Key: a creation that is repeated makes nothing twice; the command line sends one each time."""

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import requests

from tests.unit.api.directory_cloud import PLATFORM, connection
from tests.unit.api.live_server import PROJECT, Clouds, LiveServer


def post(server: LiveServer, path: str, body: Any, key: str) -> requests.Response:
    return requests.post(server.url + path, json=body, headers={"Idempotency-Key": key}, timeout=30)


def endpoint_body(clouds: Clouds, name: str) -> dict[str, Any]:
    return {"endpoint": {"name": name, "type": PLATFORM, "connection_info": connection(clouds.source)}}


def test_each_creation_is_made_once(server: LiveServer, clouds: Clouds) -> None:
    first = post(server, "/endpoints", endpoint_body(clouds, "a"), "k1").json()["endpoint"]
    again = post(server, "/endpoints", endpoint_body(clouds, "a"), "k1").json()["endpoint"]
    assert again == first
    other = post(server, "/endpoints", endpoint_body(clouds, "b"), "k1")
    assert (other.status_code, other.json()["error"]["error_code"]) == (409, "CORI-1410")
    transfer = server.transfer(clouds)
    run = f"/transfers/{transfer}/executions"
    body = {"execution": {"shutdown_instances": False}}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(server, run, body, "k2"), range(4)))
    (execution,) = {answer.json()["execution"]["id"] for answer in answers}
    server.execution_ended(transfer, execution)
    assert len(server.call("GET", run)["executions"]) == 1
    wanted = {"deployment": {"transfer_id": transfer}}
    made = [post(server, "/deployments", wanted, "k3").json()["deployment"]["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert len(server.call("GET", "/deployments")["deployments"]) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_cannot_be_kept_is_refused(server: LiveServer, clouds: Clouds, key: str) -> None:
    answer = post(server, "/endpoints", endpoint_body(clouds, "a"), key)
    assert answer.status_code == 400, answer.text
    assert "Idempotency-Key" in answer.json()["error"]["message"]


class AnswerLoser:
    """Stands before the server and loses the answer to the first POST."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lost = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        losing = threading.Event()
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=self._answer, args=(server, client, losing), daemon=True).start()
            while request := client.recv(1 << 20):
                if request.startswith(b"POST") and not self.lost:
                    losing.set()
                server.sendall(request)

    def _answer(self, server: socket.socket, client: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):  # either side may hang up first
            while answer := server.recv(1 << 20):
                if losing.is_set() and not self.lost:
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)


def test_the_command_line_repeats_a_creation_whose_answer_was_lost(
    server: LiveServer, clouds: Clouds
) -> None:
    loser = AnswerLoser(int(server.root_url.rpartition(":")[2]))
    transfer = server.transfer(clouds)
    command = [sys.executable, "-m", "coriolis.cli.main", "--no-auth"]
    command += ["--endpoint", f"http://127.0.0.1:{loser.port}/v1/{PROJECT}"]
    done = subprocess.run(
        [*command, "transfer", "execute", transfer], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert loser.lost == 1
    assert len(server.call("GET", f"/transfers/{transfer}/executions")["executions"]) == 1
