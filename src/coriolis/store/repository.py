"""What the repositories have in common."""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from coriolis.errors import InvalidInput, NotFound
from coriolis.model.records import ALIVE, Paging
from coriolis.store.clock import utcnow
from coriolis.store.keys import protect, reveal

if TYPE_CHECKING:
    from coriolis.store.database import Database

Row = sa.RowMapping


class Repository:
    """Answers with frozen records. Methods open their own transaction unless they take a `connection`."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def _protect(self, value: Any) -> Any:
        return protect(value, self._database.codec)

    def _reveal(self, value: Any) -> Any:
        return reveal(value, self._database.codec)


def new_id() -> str:
    return str(uuid.uuid4())


def born() -> dict[str, Any]:
    """The stamps of a new row."""
    return {"created_at": utcnow(), "deleted": ALIVE}


def stamps(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("created_at", "updated_at", "deleted_at", "deleted")}


def get_row(connection: sa.Connection, table: sa.Table, kind: str, row_id: str) -> Row:
    """The living row. Raises NotFound."""
    row = connection.execute(living(table).where(table.c.id == row_id)).mappings().first()
    if row is None:
        raise NotFound(kind=kind, name=row_id)
    return row


def living(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).where(table.c.deleted == ALIVE)


def change(connection: sa.Connection, table: sa.Table, row_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(sa.update(table).where(table.c.id == row_id).values(**values, updated_at=utcnow()))


def bury(connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> None:
    """Soft deletion."""
    now = utcnow()
    values = {"deleted_at": now, "updated_at": now, "deleted": table.c.id}
    connection.execute(sa.update(table).where(condition, table.c.deleted == ALIVE).values(**values))


def page(
    connection: sa.Connection, table: sa.Table, conditions: list[sa.ColumnElement[bool]], paging: Paging
) -> list[Row]:
    """One page of a list. Raises InvalidInput for an unknown sort key or marker."""
    query = sa.select(table).where(*conditions)
    if not paging.show_deleted:
        query = query.where(table.c.deleted == ALIVE)
    order = _order(table, paging)
    if paging.marker is not None:
        query = query.where(_after(connection, table, order, paging.marker))
    for column, ascending in order:
        query = query.order_by(column.asc() if ascending else column.desc())
    return list(connection.execute(query.limit(paging.limit)).mappings())


def _order(table: sa.Table, paging: Paging) -> list[tuple[sa.Column[Any], bool]]:
    order: list[tuple[sa.Column[Any], bool]] = []
    directions = [*paging.sort_dirs, *(["desc"] * len(paging.sort_keys))]
    for key, direction in zip(paging.sort_keys, directions, strict=False):
        if key not in table.c or isinstance(table.c[key].type, sa.JSON):
            raise InvalidInput(message=f"Cannot sort by {key!r}.")
        if direction not in ("asc", "desc"):
            raise InvalidInput(message=f"A sort direction is asc or desc, not {direction!r}.")
        order.append((table.c[key], direction == "asc"))
    if all(column.name != "id" for column, _ in order):
        order.append((table.c.id, False))  # the order must be total, or pages would lose or repeat rows
    return order


def _after(
    connection: sa.Connection, table: sa.Table, order: list[tuple[sa.Column[Any], bool]], marker: str
) -> sa.ColumnElement[bool]:
    """The rows behind the marker: (a > A) or (a = A and b > B) or …; NULL sorts as the lowest value."""
    last = connection.execute(sa.select(table).where(table.c.id == marker)).mappings().first()
    if last is None:
        raise InvalidInput(message=f"The marker {marker!r} is not in the list.")
    alternatives: list[sa.ColumnElement[bool]] = []
    equal: list[sa.ColumnElement[bool]] = []
    for column, ascending in order:
        alternatives.append(sa.and_(*equal, _beyond(column, last[column.name], ascending)))
        equal.append(column.is_(None) if last[column.name] is None else column == last[column.name])
    return sa.or_(*alternatives)


def _beyond(column: sa.Column[Any], value: Any, ascending: bool) -> sa.ColumnElement[bool]:
    if value is None:
        return column.is_not(None) if ascending else sa.false()
    if ascending:
        return sa.and_(column > value)
    return sa.or_(column < value, column.is_(None))
