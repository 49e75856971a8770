"""HAProxy's control socket: services taken out and brought back, bytes counted. Works from outside the enclosure."""

import csv
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.openstack.saying import TestbedError


class Balancer:
    def __init__(self, control: Path) -> None:
        self._control = control

    @contextmanager
    def out_of_service(self, *names: str) -> Iterator[None]:
        """Clients of these APIs ("nova", "cinder"…) get HAProxy's 503 page until the block ends."""
        try:
            for name in names:
                self._set_state(name, "maint")
            yield
        finally:
            for name in names:
                self._set_state(name, "ready")

    def bytes_out(self, name: str) -> int:
        """What the service's clients got since HAProxy's start, headers included."""
        table = csv.DictReader(io.StringIO(self._ask("show stat").removeprefix("# ")))
        return next(int(row["bout"]) for row in table if row["pxname"] == name and row["svname"] == "BACKEND")

    def _set_state(self, name: str, state: str) -> None:
        answer = self._ask(f"set server {name}/one state {state}").strip()
        if answer:  # HAProxy is silent when it did as it was told
            raise TestbedError(f"HAProxy does not set {name} to {state}: {answer}")

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self._control))
            connection.sendall(f"{command}\n".encode())
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts).decode()
