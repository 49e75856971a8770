"""Who can reach the cloud of an endpoint: this process, or a conductor of one of its regions."""

from collections.abc import Callable, Sequence

from coriolis.config import Settings
from coriolis.engine.inventory import Inventory
from coriolis.errors import NoRegion, NoWorkerService
from coriolis.model.enums import ServiceStatus
from coriolis.model.records import Endpoint, Service
from coriolis.store.database import Database

CONDUCTOR_TOPIC = "coriolis-conductor"


class Reach:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        own_regions: Callable[[], frozenset[str]],
        here: Inventory,
        there: Callable[[str], Inventory] | None,
    ) -> None:
        """`own_regions`: ids of the regions whose clouds this process reaches. `there`: how a region's conductors
        are asked; None where no messages can be sent."""
        self._database = database
        self._settings = settings
        self._own_regions = own_regions
        self._here = here
        self._there = there

    def inventory(self, endpoint_id: str) -> Inventory:
        """Who asks this endpoint's cloud. Raises NotFound, NoRegion, NoWorkerService."""
        endpoint = self._database.endpoints.get(endpoint_id)
        if self._there is None or self._settings.embedded or not endpoint.mapped_regions:
            return self._here
        regions = self._regions(endpoint)
        if not self._own_regions().isdisjoint(regions):
            return self._here
        near = self._conductors(endpoint, regions)
        return self._there(next(region for region in near[0].mapped_regions if region in regions))

    def require_conductor(self, endpoint_ids: Sequence[str]) -> None:
        """Refuses work that nobody could do: an endpoint's regions are gone, or no conductor of them is up. What
        has no region waits for any conductor. Raises NoRegion, NoWorkerService."""
        if self._settings.embedded:
            return
        for endpoint_id in endpoint_ids:
            endpoint = self._database.endpoints.get(endpoint_id)
            if endpoint.mapped_regions:
                self._conductors(endpoint, self._regions(endpoint))

    def _regions(self, endpoint: Endpoint) -> dict[str, str]:
        """Name by id of those that are there and enabled."""
        found = self._database.regions.names(endpoint.mapped_regions, enabled=True)
        if not found:
            names = self._database.regions.names(endpoint.mapped_regions)
            told = ", ".join(names.get(region, region) for region in endpoint.mapped_regions)
            raise NoRegion(endpoint=endpoint.name, regions=told)
        return found

    def _conductors(self, endpoint: Endpoint, regions: dict[str, str]) -> Sequence[Service]:
        services = self._database.services.list(self._settings.service.down_seconds)
        near = [service for service in services if _works_on(service, endpoint, regions)]
        if not near:
            raise NoWorkerService(endpoint=endpoint.name, regions=", ".join(regions.values()))
        return near


def _works_on(service: Service, endpoint: Endpoint, regions: dict[str, str]) -> bool:
    return (
        service.topic == CONDUCTOR_TOPIC
        and service.enabled
        and service.status is ServiceStatus.UP
        and endpoint.type in service.providers
        and not regions.keys().isdisjoint(service.mapped_regions)
    )
