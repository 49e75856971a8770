"""Requests that clients may repeat: the key of one, and what it made."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from coriolis.errors import CoriolisError, IdempotencyKeyReused
from coriolis.store.clock import utcnow
from coriolis.store.repository import Repository
from coriolis.store.tables import IDEMPOTENCY_KEY

LIFETIME = timedelta(hours=24)  # far longer than any client goes on repeating one request


@dataclass(frozen=True, slots=True)
class CreationRequest:
    """One attempt of a client to make something. `content`: all that tells it from another request."""

    project_id: str
    key: str
    content: bytes

    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class IdempotencyRepository(Repository):
    def find(self, request: CreationRequest | None) -> str | None:
        """The id of what an earlier attempt made. Raises IdempotencyKeyReused when that was another request."""
        if request is None:
            return None
        with self._database.read() as connection:
            return self._find(connection, request)

    def create_once(self, request: CreationRequest | None, create: Callable[[sa.Connection], str]) -> str:
        """The id that `create` returned, now or for an earlier attempt. Of two attempts at once, one creates and
        the other one's transaction is undone."""
        if request is None:
            return self._database.transact(create)

        def once(connection: sa.Connection) -> str:
            known = self._find(connection, request)
            if known is not None:
                return known
            object_id = create(connection)
            self._remember(connection, request, object_id)
            return object_id

        try:
            return self._database.transact(once)
        except (sa.exc.IntegrityError, CoriolisError):
            # The other attempt was committed meanwhile: its row is in our way, or what it made is ("in use").
            made = self.find(request)
            if made is None:
                raise
            return made

    def _find(self, connection: sa.Connection, request: CreationRequest) -> str | None:
        query = sa.select(IDEMPOTENCY_KEY).where(
            IDEMPOTENCY_KEY.c.project_id == request.project_id,
            IDEMPOTENCY_KEY.c.key == request.key,
            IDEMPOTENCY_KEY.c.created_at > utcnow() - LIFETIME,
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if self._database.codec.decrypt(row.request_digest) != request.digest():
            raise IdempotencyKeyReused(key=request.key)
        return str(row.object_id)

    def _remember(self, connection: sa.Connection, request: CreationRequest, object_id: str) -> None:
        """The digest is encrypted: the request may hold a password that is weak enough to be guessed from it."""
        expired = IDEMPOTENCY_KEY.c.created_at <= utcnow() - LIFETIME
        connection.execute(sa.delete(IDEMPOTENCY_KEY).where(expired))
        connection.execute(
            sa.insert(IDEMPOTENCY_KEY).values(
                project_id=request.project_id,
                key=request.key,
                request_digest=self._database.codec.encrypt(request.digest()),
                object_id=object_id,
                created_at=utcnow(),
            )
        )
