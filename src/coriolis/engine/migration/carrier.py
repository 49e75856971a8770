"""Looks which migrations wait for their next move, and makes it: in every conductor."""

import logging
import threading
from collections.abc import Callable

import sqlalchemy as sa

from coriolis.engine.migration.moves import Moves
from coriolis.store.database import Database
from coriolis.store.executions import StatusChange

LOG = logging.getLogger(__name__)


class Carrier:
    """One thread. It is told of the runs that end in this process, and looks for those that ended in others."""

    def __init__(self, database: Database, *, look_every: float, wake: Callable[[], None]) -> None:
        """`wake`: something was queued. `look_every` in seconds, one query on an index each time."""
        self._database = database
        self._moves = Moves(database)
        self._look_every = look_every
        self._wake = wake
        self._stopping = threading.Event()
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="migrations", daemon=True)

    def start(self) -> None:
        self._database.listeners.append(self._status_changed)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Raises database errors. What goes wrong with one migration keeps no other from its move, and is tried
        again at the next look."""
        for migration, ended in self._database.live_migrations.to_be_moved():
            try:
                if self._moves.make(migration, ended):
                    self._wake()
            except sa.exc.SQLAlchemyError as error:
                LOG.warning("could not move migration %s: %s", migration.id, error)
            except Exception:
                LOG.exception("migration %s was left after a fault of the engine", migration.id)

    def _status_changed(self, change: StatusChange) -> None:
        if change.status.finished:
            self._awake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                self.look()
            except sa.exc.SQLAlchemyError as error:
                LOG.warning("could not look for migrations: %s", error)
            self._awake.wait(self._look_every)
