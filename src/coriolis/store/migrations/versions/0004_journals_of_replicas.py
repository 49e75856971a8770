"""Journals of the runs that write to replica disks; digests of what they hold"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("replica_disk", sa.Column("journal", sa.String(1024)))
    op.add_column("replica_disk", sa.Column("digest", sa.String(255)))
