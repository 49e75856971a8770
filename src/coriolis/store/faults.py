"""What went wrong with the database: a fault that passes, an outcome nobody knows, or a database that is away."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import sqlalchemy as sa
import tenacity

P = ParamSpec("P")
R = TypeVar("R")

# lock wait timed out; deadlock, or a conflict that another node of a Galera cluster certified first; connection killed
_PASSING_MYSQL = frozenset({1205, 1213, 1927})
# serialization failure, deadlock, lock not available, idle in transaction for too long
_PASSING_SQLSTATES = frozenset({"40001", "40P01", "55P03", "25P03"})
_ATTEMPTS = 6
_PATIENCE_SECONDS = 10  # a database that hangs, rather than refuses, is not asked six times


class CommitOutcomeUnknown(sa.exc.SQLAlchemyError):
    """The connection was lost while the commit was on its way: it may be done or not. Never repeated by the store;
    whoever asked looks, or asks again with the same idempotency key."""


def is_passing(error: BaseException) -> bool:
    """Whether the database undid the transaction and the same one may well succeed now."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return number in _PASSING_MYSQL or getattr(error.orig, "sqlstate", None) in _PASSING_SQLSTATES


def is_unavailable(error: BaseException) -> bool:
    """Whether the database could not be used at all, as far as a client is concerned."""
    kinds = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, CommitOutcomeUnknown)
    return isinstance(error, kinds) or is_passing(error)


def commit(transaction: sa.Transaction) -> None:
    try:
        transaction.commit()
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise CommitOutcomeUnknown("the connection to the database was lost during the commit") from error
        raise


def repeated(method: Callable[P, R]) -> Callable[P, R]:
    """For a method that makes one write transaction: all of it is done again when the database undid it."""
    return tenacity.retry(
        retry=tenacity.retry_if_exception(is_passing),
        stop=tenacity.stop_any(
            tenacity.stop_after_attempt(_ATTEMPTS), tenacity.stop_after_delay(_PATIENCE_SECONDS)
        ),
        wait=tenacity.wait_random_exponential(multiplier=0.02, max=1.0),
        reraise=True,
    )(method)
