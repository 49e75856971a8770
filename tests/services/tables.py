"""A database with Coriolis' tables for each test: made once for a server, emptied between tests."""

import sqlalchemy as sa

from coriolis.store.connection import open_engine
from coriolis.store.migrate import upgrade
from coriolis.store.tables import METADATA, TURNSTILE


def make_tables(url: str) -> None:
    engine = open_engine(url, patient=True)
    upgrade(engine)
    engine.dispose()


def empty_tables(url: str) -> None:
    """As `make_tables` leaves them."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            if table is not TURNSTILE:
                connection.execute(sa.delete(table))
        connection.execute(sa.update(TURNSTILE).values(number=0))
    engine.dispose()
