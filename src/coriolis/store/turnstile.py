"""Where writers pass one by one: a row that each counts up, and holds until its transaction ends."""

import sqlalchemy as sa

from coriolis.store.tables import TURNSTILE

SUBMISSIONS = "submissions"  # its number: the position of the last job that was submitted
CLAIMS = "claims"


def pass_turnstile(connection: sa.Connection, name: str, step: int = 1) -> None:
    """The next one waits for our commit, so whatever is read from here on, under READ COMMITTED, is what all
    before us left."""
    row = TURNSTILE.c.id == name
    connection.execute(sa.update(TURNSTILE).where(row).values(number=TURNSTILE.c.number + step))


def draw_numbers(connection: sa.Connection, name: str, count: int) -> range:
    """Numbers that nobody else gets, each greater than all before."""
    pass_turnstile(connection, name, count)
    query = sa.select(TURNSTILE.c.number).where(TURNSTILE.c.id == name)
    last: int = connection.execute(query).scalar_one()
    return range(last - count + 1, last + 1)
