"""Every place of the database that holds ciphertext, and how it is brought to the key that encrypts now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from coriolis.errors import SecretsUnreadable
from coriolis.store import tables
from coriolis.store.database import Database
from coriolis.store.keys import KeyRing, is_ciphertext
from coriolis.store.repository import Row

_BATCH = 100  # rows in one transaction: services wait for no more than that
_ENVIRONMENTS = ("source_environment", "destination_environment", "user_scripts")
# JSON columns hold `{"secret": ciphertext}` at any depth, text columns one ciphertext.
PROTECTED: Sequence[tuple[sa.Table, Sequence[str]]] = (
    (tables.INSTALLATION, ("value",)),
    (tables.ENDPOINT, ("connection_info",)),
    (tables.TRANSFER, _ENVIRONMENTS),
    (tables.DEPLOYMENT, _ENVIRONMENTS),
    (tables.MIGRATION, ("wishes",)),
    (tables.JOB, ("plan",)),
    (tables.STEP_STATE, ("result", "checkpoint")),
    (tables.IDEMPOTENCY_KEY, ("request_digest",)),
)


@dataclass(frozen=True, slots=True)
class Census:
    """Ciphertexts by who can read them. `unreadable` names the rows."""

    current: int = 0
    older: int = 0
    unreadable: tuple[str, ...] = ()


def take_census(database: Database, keyring: KeyRing) -> Census:
    current, older, unreadable = 0, 0, []
    for table, columns in PROTECTED:
        for batch in _batches(database, table):
            for row in batch:
                for ciphertext in (c for name in columns for c in _ciphertexts(row[name])):
                    if keyring.is_current(ciphertext):
                        current += 1
                        continue
                    try:
                        keyring.decrypt(ciphertext)
                        older += 1
                    except SecretsUnreadable:
                        unreadable.append(f"{table.name} {' '.join(_place(table, row))}")
    return Census(current, older, tuple(dict.fromkeys(unreadable)))


def reencrypt(database: Database, keyring: KeyRing) -> int:
    """Returns how many rows it wrote. May be interrupted at any moment and begun again; services may work
    meanwhile. Raises SecretsUnreadable where no key of the file fits."""
    written = 0
    for table, columns in PROTECTED:
        for batch in _batches(database, table):
            keys = [_place(table, row) for row in batch if _is_stale(row, columns, keyring)]
            if keys:
                written += _rewrite(database, table, columns, keys, keyring)
    return written


def _rewrite(
    database: Database,
    table: sa.Table,
    columns: Sequence[str],
    places: Sequence[Sequence[str]],
    keyring: KeyRing,
) -> int:
    """As the rows are by now: a service may have written to them since they were looked at."""

    def rewrite(connection: sa.Connection) -> int:
        for place in places:
            here = sa.and_(*(c == v for c, v in zip(table.primary_key.columns, place, strict=True)))
            row = connection.execute(sa.select(table).where(here).with_for_update()).mappings().first()
            if row is not None and _is_stale(row, columns, keyring):
                values = {name: _renewed(row[name], keyring) for name in columns}
                connection.execute(sa.update(table).where(here).values(**values))
        return len(places)

    return database.transact(rewrite)


def _batches(database: Database, table: sa.Table) -> Iterator[Sequence[Row]]:
    key = list(table.primary_key.columns)
    last: Sequence[str] = ()
    while True:
        query = sa.select(table).order_by(*key).limit(_BATCH)
        if last:
            query = query.where(_behind(key, last))
        with database.read() as connection:
            rows = connection.execute(query).mappings().all()
        if not rows:
            return
        yield rows
        last = _place(table, rows[-1])


def _behind(key: Sequence[sa.Column[Any]], last: Sequence[str]) -> sa.ColumnElement[bool]:
    first, *rest = key
    if not rest:
        return sa.and_(first > last[0])
    return sa.or_(first > last[0], sa.and_(first == last[0], _behind(rest, last[1:])))


def _place(table: sa.Table, row: Row) -> tuple[str, ...]:
    return tuple(row[column.name] for column in table.primary_key.columns)


def _is_stale(row: Row, columns: Sequence[str], keyring: KeyRing) -> bool:
    return not all(keyring.is_current(c) for name in columns for c in _ciphertexts(row[name]))


def _ciphertexts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif value is not None:
        yield from _in_json(value)


def _in_json(value: Any) -> Iterator[str]:
    if is_ciphertext(value):
        yield value["secret"]
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _in_json(item)


def _renewed(value: Any, keyring: KeyRing) -> Any:
    if isinstance(value, str):
        return keyring.encrypt(keyring.decrypt(value))
    return _renewed_json(value, keyring)


def _renewed_json(value: Any, keyring: KeyRing) -> Any:
    if is_ciphertext(value):
        return {"secret": keyring.encrypt(keyring.decrypt(value["secret"]))}
    if isinstance(value, dict):
        return {name: _renewed_json(item, keyring) for name, item in value.items()}
    if isinstance(value, list):
        return [_renewed_json(item, keyring) for item in value]
    return value
