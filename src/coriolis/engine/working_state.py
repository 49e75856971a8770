"""TaskFlow's own tables, as the working state of the jobs that are under way.

Every write is fenced: it goes through only while the claim it is made for holds, checked in its own
transaction. This hooks two private methods of TaskFlow's connection; tests/unit/engine/test_working_state.py
holds us to what they do.
"""

from typing import Any

import sqlalchemy as sa
from taskflow import exceptions
from taskflow.persistence import models
from taskflow.persistence.backends import impl_sqlalchemy

from coriolis.store.database import Database, Fence


class FencedBackend(impl_sqlalchemy.SQLAlchemyBackend):  # type: ignore[misc]  # TaskFlow is untyped
    def __init__(self, database: Database, fence: Fence) -> None:
        super().__init__({"max_retries": 1}, engine=database.writing_engine)
        self._fence = fence

    def get_connection(self) -> "FencedConnection":
        return FencedConnection(self, self._upgrade_lock, self._fence)


class FencedConnection(impl_sqlalchemy.Connection):  # type: ignore[misc]  # TaskFlow is untyped
    def __init__(self, backend: FencedBackend, upgrade_lock: Any, fence: Fence) -> None:
        super().__init__(backend, upgrade_lock)
        self._fence = fence

    def _update_atom_details(self, connection: sa.Connection, atom: Any, stored: Any) -> None:
        self._fence.check(connection)
        super()._update_atom_details(connection, atom, stored)

    def _update_flow_details(self, connection: sa.Connection, flow: Any, stored: Any) -> None:
        self._fence.check(connection)
        super()._update_flow_details(connection, flow, stored)


def open_flow(backend: FencedBackend, job_id: str) -> tuple[Any, Any]:
    """TaskFlow's book and flow details of a job, made at its first run."""
    connection = backend.get_connection()
    try:
        book = connection.get_logbook(job_id)
    except exceptions.NotFound:
        book = models.LogBook("job", uuid=job_id)
        book.add(models.FlowDetail("job", uuid=job_id))
        book = connection.save_logbook(book)
    return book, book.find(job_id)


def forget_flow(backend: FencedBackend, job_id: str) -> None:
    """The job has ended, and its history is in our own tables."""
    try:
        backend.get_connection().destroy_logbook(job_id)
    except exceptions.NotFound:
        return
