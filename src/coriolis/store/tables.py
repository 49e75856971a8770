"""The tables. Strings have lengths, JSON is the database's own, so that SQLite, MariaDB and PostgreSQL all
take them.

Times are naive UTC with microseconds; leases are seconds of the database's own clock (see `database.clock`).
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from coriolis.model.queue import ANYWHERE

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Names are compared byte by byte, as the other databases do, and never cut off at their length.
MYSQL_TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
UUID = sa.String(36)
NAME = sa.String(255)
WORD = sa.String(64)
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
# Of a clock: a single-precision FLOAT, as MySQL would make of sa.Float, is off by minutes.
SECONDS: sa.types.TypeEngine[float] = sa.Double()


def _stamps() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT),
        sa.Column("deleted_at", MOMENT),
        sa.Column("deleted", UUID, nullable=False),
    )


def _settings_of_a_transfer() -> tuple[sa.Column[Any], ...]:
    """What a transfer says and a deployment copies of it."""
    return (
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("project_id", NAME, nullable=False),
        sa.Column("scenario", WORD, nullable=False),
        sa.Column("instances", sa.JSON, nullable=False),
        sa.Column("origin_endpoint_id", UUID, sa.ForeignKey("endpoint.id"), nullable=False),
        sa.Column("destination_endpoint_id", UUID, sa.ForeignKey("endpoint.id"), nullable=False),
        sa.Column("source_environment", sa.JSON, nullable=False),
        sa.Column("destination_environment", sa.JSON, nullable=False),
        sa.Column("network_map", sa.JSON, nullable=False),
        sa.Column("storage_mappings", sa.JSON, nullable=False),
        sa.Column("notes", sa.Text),
        sa.Column("instance_osmorphing_minion_pool_mappings", sa.JSON, nullable=False),
        sa.Column("user_scripts", sa.JSON, nullable=False),
        sa.Column("clone_disks", sa.Boolean, nullable=False),
        sa.Column("skip_os_morphing", sa.Boolean, nullable=False),
    )


ENDPOINT = sa.Table(
    "endpoint",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("user_id", NAME, nullable=False),
    sa.Column("project_id", NAME, nullable=False, index=True),
    sa.Column("name", NAME, nullable=False),
    sa.Column("type", WORD, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("connection_info", sa.JSON, nullable=False),
    sa.Column("mapped_regions", sa.JSON, nullable=False),
    sa.Column("bandwidth_limit", sa.String(1024)),
    *_stamps(),
)

TRANSFER = sa.Table(
    "transfer",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    *_settings_of_a_transfer(),
    sa.Column("origin_minion_pool_id", UUID),
    sa.Column("destination_minion_pool_id", UUID),
    sa.Column("bandwidth_limit", sa.String(1024)),
    *_stamps(),
    sa.Index(None, "project_id"),
)

DEPLOYMENT = sa.Table(
    "deployment",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("transfer_id", UUID, sa.ForeignKey("transfer.id"), nullable=False, index=True),
    *_settings_of_a_transfer(),
    sa.Column("force", sa.Boolean, nullable=False),
    sa.Column("transfer_result", sa.JSON(none_as_null=True)),
    *_stamps(),
    sa.Index(None, "project_id"),
)

EXECUTION = sa.Table(
    "execution",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("action_id", UUID, nullable=False),
    sa.Column("type", WORD, nullable=False),
    sa.Column("status", WORD, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    *_stamps(),
    sa.UniqueConstraint("action_id", "number"),
)

JOB = sa.Table(
    "job",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("execution_id", UUID, sa.ForeignKey("execution.id"), nullable=False),
    sa.Column("instance", NAME, nullable=False),
    sa.Column("flow", WORD, nullable=False),
    sa.Column("flow_version", sa.Integer, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("state", WORD, nullable=False),
    sa.Column("outcome", WORD),
    sa.Column("wish", WORD, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("owner", NAME),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("lease_until", SECONDS, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("demand_id", WORD, nullable=False, server_default=ANYWHERE),
    sa.Column("origin_endpoint_id", UUID),
    sa.Column("destination_endpoint_id", UUID),
    sa.Column("host", NAME),
    *_stamps(),
    # These hold all that is asked of many jobs at once: a plan of tens of kilobytes lies in each row.
    sa.Index("ix_job_of_execution", "execution_id", "state", "wish", "outcome"),
    sa.Index(
        "ix_job_waiting",
        "state",
        "demand_id",
        "priority",
        "position",
        "origin_endpoint_id",
        "destination_endpoint_id",
    ),
    sa.Index(
        "ix_job_working",
        "state",
        "lease_until",
        "demand_id",
        "origin_endpoint_id",
        "destination_endpoint_id",
        "host",
    ),
)

# Two rows that writers meet at: whoever submits jobs takes their positions from "submissions", whoever claims
# one counts "claims" up first, so that a limit is never checked by two at once. Counted rather than only
# locked: a Galera cluster does not see the locks of its other nodes, but it does see their writes.
TURNSTILE = sa.Table(
    "turnstile",
    METADATA,
    sa.Column("id", WORD, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)

# What a conductor must have to run a job: one of each group of regions, and every capability. Jobs share few
# of these, so a conductor looks for jobs by the ids that it meets.
JOB_DEMAND = sa.Table(
    "job_demand",
    METADATA,
    sa.Column("id", WORD, primary_key=True),
    sa.Column("regions", sa.JSON, nullable=False),
    sa.Column("capabilities", sa.JSON, nullable=False),
)

TASK = sa.Table(
    "task",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("execution_id", UUID, sa.ForeignKey("execution.id"), nullable=False, index=True),
    sa.Column("job_id", UUID, sa.ForeignKey("job.id"), nullable=False),
    sa.Column("step", WORD, nullable=False),
    sa.Column("instance", NAME, nullable=False),
    sa.Column("task_type", WORD, nullable=False),
    sa.Column("status", WORD, nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("depends_on", sa.JSON, nullable=False),
    sa.Column("on_error", sa.Boolean, nullable=False),
    sa.Column("exception_details", sa.Text),
    sa.Column("host", NAME),
    sa.Column("process_id", sa.Integer),
    *_stamps(),
    sa.UniqueConstraint("job_id", "step"),
)

TASK_EVENT = sa.Table(
    "task_event",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("task_id", UUID, sa.ForeignKey("task.id"), nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("level", WORD, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    *_stamps(),
    sa.UniqueConstraint("task_id", "index"),
)

TASK_PROGRESS = sa.Table(
    "task_progress",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("task_id", UUID, sa.ForeignKey("task.id"), nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("line", NAME, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("current_step", sa.BigInteger, nullable=False),
    sa.Column("total_steps", sa.BigInteger, nullable=False),
    sa.Column("disk_id", NAME),
    sa.Column("done", sa.BigInteger),
    sa.Column("total", sa.BigInteger),
    sa.Column("moved", sa.BigInteger),
    sa.Column("rate", SECONDS),
    sa.Column("eta", SECONDS),
    *_stamps(),
    sa.UniqueConstraint("task_id", "index"),
    sa.UniqueConstraint("task_id", "line"),
)

STEP_STATE = sa.Table(
    "step_state",
    METADATA,
    sa.Column("job_id", UUID, sa.ForeignKey("job.id"), primary_key=True),
    sa.Column("step", WORD, primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("checkpoint", sa.JSON(none_as_null=True)),
    sa.Column("reverted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("began_at", SECONDS),
    sa.Column("reached_at", SECONDS),
    sa.Column("finished_at", SECONDS),
    sa.Column("updated_at", MOMENT, nullable=False),
)

# One carrying over of a live migration: the chain of runs that it takes. `execution_id` is the run that it waits
# for, and what its next move is compared with, so that of several conductors one makes it.
MIGRATION = sa.Table(
    "migration",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("transfer_id", UUID, sa.ForeignKey("transfer.id"), nullable=False, index=True),
    sa.Column("user_id", NAME, nullable=False),
    sa.Column("project_id", NAME, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("status", WORD, nullable=False, index=True),
    sa.Column("phase", WORD, nullable=False),
    sa.Column("outcome", WORD),
    sa.Column("wish", WORD, nullable=False),
    sa.Column("execution_id", UUID, sa.ForeignKey("execution.id"), nullable=False),
    sa.Column("cutover_execution_id", UUID),
    sa.Column("deployment_id", UUID, index=True),
    sa.Column("max_passes", sa.Integer, nullable=False),
    sa.Column("small_delta_bytes", sa.BigInteger, nullable=False),
    sa.Column("small_delta_seconds", SECONDS, nullable=False),
    sa.Column("restart_source_on_failure", sa.Boolean, nullable=False),
    sa.Column("wishes", sa.JSON, nullable=False),
    sa.Column("passes", sa.JSON, nullable=False),
    sa.Column("cutover_reason", WORD),
    sa.Column("downtime", sa.JSON(none_as_null=True)),
    sa.Column("message", sa.Text),
    *_stamps(),
    sa.UniqueConstraint("transfer_id", "number"),
)

RESOURCE = sa.Table(
    "resource",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("job_id", UUID, sa.ForeignKey("job.id"), nullable=False),
    sa.Column("step", WORD, nullable=False),
    sa.Column("endpoint_id", UUID, sa.ForeignKey("endpoint.id"), nullable=False),
    sa.Column("kind", WORD, nullable=False),
    sa.Column("name", NAME, nullable=False),
    sa.Column("state", WORD, nullable=False, index=True),
    sa.Column("cloud_id", NAME),
    sa.Column("reason", sa.Text),
    *_stamps(),
    sa.UniqueConstraint("endpoint_id", "kind", "name"),
    sa.Index(None, "job_id", "step"),
)

REPLICA_DISK = sa.Table(
    "replica_disk",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("transfer_id", UUID, sa.ForeignKey("transfer.id"), nullable=False),
    sa.Column("instance", NAME, nullable=False),
    sa.Column("disk_id", NAME, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("volume_id", NAME, nullable=False),
    sa.Column("volume_name", NAME, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("dirty", sa.Boolean, nullable=False),
    sa.Column("manifest", sa.String(1024)),
    sa.Column("journal", sa.String(1024)),
    sa.Column("digest", sa.String(255)),
    sa.Column("source_point", sa.Text),
    *_stamps(),
    sa.Index(None, "transfer_id", "instance"),
)

REGION = sa.Table(
    "region",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("name", NAME, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    *_stamps(),
    sa.UniqueConstraint("name", "deleted"),
)

SERVICE = sa.Table(
    "service",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("host", NAME, nullable=False),
    sa.Column("binary", WORD, nullable=False),
    sa.Column("topic", NAME, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("mapped_regions", sa.JSON, nullable=False),
    sa.Column("providers", sa.JSON, nullable=False),
    sa.Column("specs", sa.JSON, nullable=False),
    sa.Column("seen_at", SECONDS, nullable=False),
    *_stamps(),
    sa.UniqueConstraint("host", "binary", "topic", "deleted"),
)

# Facts about the whole installation. "key_check": a ciphertext, which tells a wrong key from the right one.
INSTALLATION = sa.Table(
    "installation",
    METADATA,
    sa.Column("name", WORD, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# A creation that a client repeats with the same key answers with what the first one made.
IDEMPOTENCY_KEY = sa.Table(
    "idempotency_key",
    METADATA,
    sa.Column("project_id", NAME, primary_key=True),
    sa.Column("key", NAME, primary_key=True),
    sa.Column("request_digest", NAME, nullable=False),
    sa.Column("object_id", UUID, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, index=True),
)
