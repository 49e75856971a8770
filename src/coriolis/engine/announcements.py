"""What others are told of the work here: the notifications of an installation's audit and metering."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from coriolis.model.enums import ExecutionStatus, ExecutionType
from coriolis.model.records import Deployment, Transfer
from coriolis.store.database import Database
from coriolis.store.executions import StatusChange

_SUBJECTS = {
    ExecutionType.TRANSFER_EXECUTION: "transfer.execution",
    ExecutionType.TRANSFER_DISKS_DELETE: "transfer.disks_delete",
    ExecutionType.TRANSFER_VERIFY: "transfer.verify",
    ExecutionType.TRANSFER_SOURCE_START: "transfer.source_start",
    ExecutionType.DEPLOYMENT: "deployment",
}
_PHASES = {
    ExecutionStatus.RUNNING: "start",
    ExecutionStatus.COMPLETED: "end",
    ExecutionStatus.CANCELED: "end",
    ExecutionStatus.ERROR: "error",
    ExecutionStatus.DEADLOCKED: "error",
}
Event = tuple[str, Mapping[str, Any]]


class Notifier(Protocol):
    def notify(self, compose: Callable[[], Event], *, error: bool = False) -> None:
        """Sends (event type, payload) when it can; does not wait."""


class Announcements:
    """Listens to a database. `transfer.execution.start`, `.end`, `.error` and the like; a cancelled one ends. The
    payload says what ran, whose it is and how it ended: ids and names, nothing that users gave to log in with."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier

    def status_changed(self, change: StatusChange) -> None:
        phase = _PHASES.get(change.status)
        if phase is not None:
            self._notifier.notify(lambda: self._event(change, phase), error=phase == "error")

    def _event(self, change: StatusChange, phase: str) -> Event:
        execution = self._database.executions.get(change.execution_id)
        action: Transfer | Deployment
        if execution.type is ExecutionType.DEPLOYMENT:
            action = self._database.deployments.get(execution.action_id)
            transfer_id, deployment_id = action.transfer_id, action.id
        else:
            action = self._database.transfers.get(execution.action_id)
            transfer_id, deployment_id = action.id, None
        payload = {
            "execution_id": execution.id,
            "execution_type": str(execution.type),
            "execution_number": execution.number,
            "status": str(change.status),
            "transfer_id": transfer_id,
            "deployment_id": deployment_id,
            "scenario": str(action.scenario),
            "instances": list(action.instances),
            "origin_endpoint_id": action.origin_endpoint_id,
            "destination_endpoint_id": action.destination_endpoint_id,
            "project_id": action.project_id,
            "user_id": action.user_id,
            "created_at": execution.created_at.isoformat(),
        }
        return f"{_SUBJECTS.get(execution.type, str(execution.type))}.{phase}", payload
