"""Waiting for what comes up by itself."""

import http.client
import socket
import time
from collections.abc import Callable

from testbed.openstack.saying import TestbedError


def wait_until(what: str, ready: Callable[[], bool], seconds: float = 900) -> None:
    """Raises TestbedError after `seconds`, which are generous: the machine may be busy."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TestbedError(f"{what}: not ready after {seconds:.0f} s")
        time.sleep(0.5)


def accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def answers(address: str, port: int, path: str = "/") -> bool:
    """Whether an HTTP service answers with anything but a fault of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
