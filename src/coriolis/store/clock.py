"""Two clocks: ours for what people read, the database's for leases."""

from datetime import UTC, datetime

import sqlalchemy as sa


def utcnow() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def clock(dialect: str) -> sa.ColumnElement[float]:
    """Seconds since 1970 on the database's clock, with fractions.

    Not SQLite's unixepoch('subsec'): that is NULL before 3.42, and Debian 12 has 3.40.
    """
    expressions = {
        "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
        "mysql": "unix_timestamp(now(6))",
        "mariadb": "unix_timestamp(now(6))",
        "postgresql": "extract(epoch from clock_timestamp())",
    }
    return sa.literal_column(expressions[dialect], sa.Double())
