"""Where and when a job may run: the regions of its endpoints, the plugins it needs, and what it goes before."""

from dataclasses import replace

from coriolis.model.enums import ProviderType
from coriolis.model.queue import Demand, Needs, capability
from coriolis.model.records import Endpoint, Transfer
from coriolis.store.database import Database

# Someone waits for a deployment, perhaps since a disaster; the next replica comes by itself.
DEPLOYMENT_PRIORITY = 100


def needs_of_transfer(database: Database, transfer: Transfer) -> Needs:
    """The conductor reaches both clouds. Raises NotFound."""
    origin = database.endpoints.get(transfer.origin_endpoint_id)
    destination = database.endpoints.get(transfer.destination_endpoint_id)
    capabilities = (
        capability(origin.type, ProviderType.TRANSFER_EXPORT),
        capability(destination.type, ProviderType.TRANSFER_IMPORT),
    )
    return Needs(_demand(capabilities, origin, destination), origin.id, destination.id)


def needs_of_cutover(database: Database, transfer: Transfer) -> Needs:
    """Of the last delta, with the instances shut down: someone waits for it as for a deployment. Raises NotFound."""
    return replace(needs_of_transfer(database, transfer), priority=DEPLOYMENT_PRIORITY)


def needs_of_source(database: Database, transfer: Transfer) -> Needs:
    """For power on the source alone: whatever is wrong with the destination must not be in its way. Raises
    NotFound."""
    origin = database.endpoints.get(transfer.origin_endpoint_id)
    demand = _demand((capability(origin.type, ProviderType.TRANSFER_EXPORT),), origin)
    return Needs(demand, origin_endpoint_id=origin.id, priority=DEPLOYMENT_PRIORITY)


def needs_of_destination(database: Database, transfer: Transfer) -> Needs:
    """For work on the replicas alone, which must go on while the origin is down. Raises NotFound."""
    destination = database.endpoints.get(transfer.destination_endpoint_id)
    capabilities = (capability(destination.type, ProviderType.TRANSFER_IMPORT),)
    return Needs(_demand(capabilities, destination), destination_endpoint_id=destination.id)


def needs_of_deployment(database: Database, transfer: Transfer, *, morphing: bool) -> Needs:
    """Raises NotFound."""
    destination = database.endpoints.get(transfer.destination_endpoint_id)
    kinds = [ProviderType.TRANSFER_IMPORT, *([ProviderType.OS_MORPHING] if morphing else [])]
    capabilities = tuple(capability(destination.type, kind) for kind in kinds)
    demand = _demand(capabilities, destination)
    return Needs(demand, destination_endpoint_id=destination.id, priority=DEPLOYMENT_PRIORITY)


def _demand(capabilities: tuple[str, ...], *endpoints: Endpoint) -> Demand:
    """An endpoint mapped to no region can be reached from everywhere."""
    groups = tuple(endpoint.mapped_regions for endpoint in endpoints if endpoint.mapped_regions)
    return Demand(groups, capabilities)
