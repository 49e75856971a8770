"""Many conductors: regions, services, demands of jobs; keys of repeated requests"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from coriolis.store.tables import MYSQL_TABLE

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def _stamps() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT),
        sa.Column("deleted_at", _MOMENT),
        sa.Column("deleted", sa.String(36), nullable=False),
    )


def upgrade() -> None:
    op.add_column("job", sa.Column("demand_id", sa.String(64), nullable=False, server_default="any"))
    op.add_column("job", sa.Column("origin_endpoint_id", sa.String(36)))
    op.add_column("job", sa.Column("destination_endpoint_id", sa.String(36)))
    op.add_column("job", sa.Column("host", sa.String(255)))
    op.drop_index("ix_job_state_priority_position", table_name="job")
    op.create_index("ix_job_of_execution", "job", ["execution_id", "state", "wish", "outcome"])
    op.drop_index("ix_job_execution_id", table_name="job")  # after: the foreign key needs one
    op.create_index(
        "ix_job_waiting",
        "job",
        ["state", "demand_id", "priority", "position", "origin_endpoint_id", "destination_endpoint_id"],
    )
    op.create_index(
        "ix_job_working",
        "job",
        ["state", "lease_until", "demand_id", "origin_endpoint_id", "destination_endpoint_id", "host"],
    )
    op.create_table(
        "turnstile",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turnstile")),
        **MYSQL_TABLE,
    )
    op.execute("insert into turnstile select 'submissions', coalesce(max(position), 0) from job")
    op.execute("insert into turnstile values ('claims', 0)")
    op.add_column("step_state", sa.Column("reverted", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "job_demand",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("capabilities", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_demand")),
        **MYSQL_TABLE,
    )
    op.create_table(
        "region",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        *_stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_region")),
        sa.UniqueConstraint("name", "deleted", name=op.f("uq_region_name_deleted")),
        **MYSQL_TABLE,
    )
    op.create_table(
        "service",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("binary", sa.String(64), nullable=False),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("mapped_regions", sa.JSON, nullable=False),
        sa.Column("providers", sa.JSON, nullable=False),
        sa.Column("specs", sa.JSON, nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        *_stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service")),
        sa.UniqueConstraint(
            "host", "binary", "topic", "deleted", name=op.f("uq_service_host_binary_topic_deleted")
        ),
        **MYSQL_TABLE,
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
        **MYSQL_TABLE,
    )
    op.create_table(
        "idempotency_key",
        sa.Column("project_id", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_digest", sa.String(255), nullable=False),
        sa.Column("object_id", sa.String(36), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_idempotency_key")),
        **MYSQL_TABLE,
    )
    op.create_index("ix_idempotency_key_created_at", "idempotency_key", ["created_at"])
    _drop_taskflow()


def _drop_taskflow() -> None:
    """How far a job is stands in step_state alone; TaskFlow's tables were made beside ours by TaskFlow itself."""
    present = set(sa.inspect(op.get_bind()).get_table_names())
    for table in ("atomdetails", "flowdetails", "logbooks", "alembic_version"):
        if table in present:
            op.drop_table(table)
