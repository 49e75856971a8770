"""The same request twice makes one object, on each database, also when both come at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from coriolis.errors import IdempotencyKeyReused
from coriolis.store.clock import utcnow
from coriolis.store.database import Database
from coriolis.store.idempotency import LIFETIME, CreationRequest
from coriolis.store.tables import IDEMPOTENCY_KEY


def create(database: Database, request: CreationRequest | None) -> str:
    made = database.endpoints.create(
        user_id="u", project_id="p", name="n", type="t", connection_info={}, request=request
    )
    return made.id


def test_a_repeated_request_answers_with_what_the_first_one_made(database: Database) -> None:
    request = CreationRequest("p", "key", b"content")
    first = create(database, request)
    assert create(database, request) == first
    assert database.idempotency.find(request) == first
    assert create(database, CreationRequest("p", "KEY", b"content")) != first
    assert create(database, CreationRequest("q", "key", b"content")) != first
    assert create(database, None) != create(database, None)
    with pytest.raises(IdempotencyKeyReused, match="'key'"):
        create(database, CreationRequest("p", "key", b"other content"))


def test_requests_at_once_make_one_object(database: Database) -> None:
    for number in range(5):
        request = CreationRequest("p", f"key {number}", b"content")
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(create, [database] * 6, [request] * 6))
        assert len(set(made)) == 1
    assert len(database.endpoints.list("p")) == 5


def test_a_key_is_forgotten_after_a_day(database: Database) -> None:
    first = create(database, CreationRequest("p", "old", b"content"))
    with database.write() as connection:
        connection.execute(sa.update(IDEMPOTENCY_KEY).values(created_at=utcnow() - LIFETIME))
    create(database, CreationRequest("p", "new", b"content"))
    with database.read() as connection:
        assert connection.scalars(sa.select(IDEMPOTENCY_KEY.c.key)).all() == ["new"]
    assert create(database, CreationRequest("p", "old", b"other")) != first
