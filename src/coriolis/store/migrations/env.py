"""Run by Alembic: `store.migrate` gives the connection, a developer's `alembic -x url=...` gives a URL."""

import sqlalchemy as sa
from alembic import context

from coriolis.store.migrate import VERSION_TABLE
from coriolis.store.tables import METADATA


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """TaskFlow's working tables share the database, and are not ours to compare."""
    return kind != "table" or name in METADATA.tables


def _run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        include_name=_is_ours,
        render_as_batch=True,  # SQLite cannot alter a column: Alembic copies the table instead
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with sa.create_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
        _run(opened)
