"""Faults on demand: what the embedded clouds do wrong when told to.

A fault is planted at a point ("disk.create", "server.create", "http"…) and strikes the next `count` times that the
point is reached by an object whose name contains `match`. Fronts ask `strike(point, name)` at each of their points and
act on the answer. Over HTTP: GET/POST/DELETE /_lab/faults on either front.
"""

import threading
from dataclasses import asdict, dataclass


@dataclass
class Fault:
    """`kind` says what goes wrong, in the words of the point:

    http: "503" (an HTML page of a proxy), "expire_token", "slow" (`seconds`), "drop" (connection closed);
    policy: "refuse" (403: the policy forbids what "METHOD /path" asks for);
    any create or change: "error" (ends in the error or illegal state), "stuck" (never leaves the transitional state),
    "refuse" (409);
    backup.create: these three, and "no_service" (error: no cinder-backup is ready; spoils a snapshot and its volume);
    image.create: these three, of an instance's createImage;
    server.delete: "forget_volumes" (those that Nova reserved stay so, as after a delete right behind the create);
    server.start, vm.start: "no_address" (boots without network), "die" (`seconds` after the start QEMU is killed);
    oVirt: disk.look (a disk that turns illegal when it is read), domain.space (a storage domain without room),
    transfer.create, transfer.finalize, backup.create.
    """

    point: str
    kind: str
    match: str = ""
    count: int = 1
    seconds: float = 0.0
    message: str = ""


class FaultBook:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def plant(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def strike(self, point: str, name: str = "") -> Fault | None:
        """The fault that hits now, with its count lowered; None for an honest answer."""
        with self._lock:
            for fault in self._faults:
                if fault.point == point and fault.match in name and fault.count > 0:
                    fault.count -= 1
                    return fault
        return None

    def as_json(self) -> list[dict[str, object]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]
