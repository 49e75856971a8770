"""Bandwidth limits of transfers and endpoints"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("endpoint", "transfer"):
        op.add_column(table, sa.Column("bandwidth_limit", sa.String(1024)))
