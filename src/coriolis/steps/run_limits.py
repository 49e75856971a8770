"""How fast a run may go at this moment."""

import logging
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from coriolis.engine.context import StepContext
from coriolis.model.bandwidth import parse_bandwidth
from coriolis.store.faults import is_unavailable
from coriolis.transfer.limits import Limits, SharedLimit

LOG = logging.getLogger(__name__)
DIRECTORY = "limits"


class RunLimits:
    """What holds for a run, asked again and again; a database that is away for a while does not end a copy."""

    def __init__(self, op: StepContext, transfer_id: str) -> None:
        self._op = op
        self._transfer_id = transfer_id
        self.current = limits_of(op, transfer_id)

    def __call__(self) -> Limits:
        try:
            self.current = limits_of(self._op, self._transfer_id)
        except SQLAlchemyError as error:
            if not is_unavailable(error):
                raise
            LOG.debug("the limits stay as they were: %s", type(error).__name__)
        return self.current


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
