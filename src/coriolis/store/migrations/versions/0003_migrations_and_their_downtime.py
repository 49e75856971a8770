"""Migrations: the chain of runs of a live migration; when steps began and ended by the database's clock"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from coriolis.store.tables import MYSQL_TABLE

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    for moment in ("began_at", "reached_at", "finished_at"):
        op.add_column("step_state", sa.Column(moment, sa.Double()))
    op.create_table(
        "migration",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("transfer_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(255), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("phase", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(64)),
        sa.Column("wish", sa.String(64), nullable=False),
        sa.Column("execution_id", sa.String(36), nullable=False),
        sa.Column("cutover_execution_id", sa.String(36)),
        sa.Column("deployment_id", sa.String(36)),
        sa.Column("max_passes", sa.Integer, nullable=False),
        sa.Column("small_delta_bytes", sa.BigInteger, nullable=False),
        sa.Column("small_delta_seconds", sa.Double(), nullable=False),
        sa.Column("restart_source_on_failure", sa.Boolean, nullable=False),
        sa.Column("wishes", sa.JSON, nullable=False),
        sa.Column("passes", sa.JSON, nullable=False),
        sa.Column("cutover_reason", sa.String(64)),
        sa.Column("downtime", sa.JSON),
        sa.Column("message", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT),
        sa.Column("deleted_at", _MOMENT),
        sa.Column("deleted", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migration")),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfer.id"], name=op.f("fk_migration_transfer_id_transfer")
        ),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["execution.id"], name=op.f("fk_migration_execution_id_execution")
        ),
        sa.UniqueConstraint("transfer_id", "number", name=op.f("uq_migration_transfer_id_number")),
        **MYSQL_TABLE,
    )
    for column in ("transfer_id", "status", "deployment_id"):
        op.create_index(f"ix_migration_{column}", "migration", [column])
