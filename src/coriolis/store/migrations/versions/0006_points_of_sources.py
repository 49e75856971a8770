"""What a source calls the point in time that a replica holds"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("replica_disk", sa.Column("source_point", sa.Text))
