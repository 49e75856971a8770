"""One URL for each region and interface of the cloud, and a book of who came in by which."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from coriolis_lab.openstack.realm import INTERFACES

_KEPT_VISITS = 20_000  # a listing of thousands of servers takes dozens


@dataclass(frozen=True)
class Visit:
    """A request as it came in; `path` is below the door."""

    region: str
    interface: str
    method: str
    path: str


def door_path(regions: list[str], region: str, interface: str) -> str:
    """The public interface of the first region has no path of its own."""
    return "" if region == regions[0] and interface == INTERFACES[0] else f"/{region}/{interface}"


class Doors:
    """Takes /region/interface off the path and hands the request to that region's services."""

    def __init__(self, apps: Mapping[str, ASGIApp], regions: list[str]) -> None:
        self._apps = apps
        self._regions = regions
        self.visits: deque[Visit] = deque(maxlen=_KEPT_VISITS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        region, interface, path = self._regions[0], INTERFACES[0], scope["path"]
        parts = path.split("/", 3)
        if len(parts) > 2 and parts[1] in self._regions and parts[2] in INTERFACES:
            region, interface = parts[1], parts[2]
            path = "/" + (parts[3] if len(parts) > 3 else "")
            root = door_path(self._regions, region, interface)
            scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": root}
        if not path.startswith("/_lab/"):
            self.visits.append(Visit(region, interface, scope.get("method", ""), path))
        await self._apps[region](scope, receive, send)
