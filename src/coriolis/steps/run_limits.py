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
    limits = op.database.transfers.bandwidth_limits(transfer_id)
    shared = []
    for endpoint_id, own in sorted(limits.endpoints.items()):
        rate = parse_bandwidth(settings.endpoint_bandwidth_limit if own is None else own).rate(now)
        shared.append(SharedLimit(op.settings.state_dir / DIRECTORY / endpoint_id, rate))
    wanted = settings.bandwidth_limit if limits.transfer is None else limits.transfer
    return Limits(
        wire=parse_bandwidth(wanted).rate(now),
        shared=tuple(shared),
        source_read=parse_bandwidth(settings.source_read_limit).rate(now),
    )
