"""How fast a run may go at this moment."""

from datetime import UTC, datetime

from coriolis.engine.context import StepContext
from coriolis.model.bandwidth import parse_bandwidth
from coriolis.transfer.limits import Limits, SharedLimit

DIRECTORY = "limits"


def limits_of(op: StepContext, transfer_id: str) -> Limits:
    """From the settings, and what the transfer and its endpoints have instead."""
    settings, now = op.settings.transfer, datetime.now(UTC)
    transfer = op.database.transfers.get(transfer_id)
    shared = []
    for endpoint_id in sorted({transfer.origin_endpoint_id, transfer.destination_endpoint_id}):
        own = op.database.endpoints.get(endpoint_id).bandwidth_limit
        rate = parse_bandwidth(settings.endpoint_bandwidth_limit if own is None else own).rate(now)
        shared.append(SharedLimit(op.settings.state_dir / DIRECTORY / endpoint_id, rate))
    wanted = settings.bandwidth_limit if transfer.bandwidth_limit is None else transfer.bandwidth_limit
    return Limits(
        wire=parse_bandwidth(wanted).rate(now),
        shared=tuple(shared),
        source_read=parse_bandwidth(settings.source_read_limit).rate(now),
    )
