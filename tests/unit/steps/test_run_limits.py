"""Which limits hold for a run: its transfer's and endpoints' own, else those of the settings."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import sqlalchemy as sa

from coriolis.config import DefaultSection, Settings, TransferSection
from coriolis.engine.context import StepContext
from coriolis.steps.run_limits import RunLimits, limits_of
from coriolis.store.transfers import BandwidthLimits
from coriolis.transfer.limits import Limits, SharedLimit

MIB = 1 << 20


def operation(state_dir: Path, *, transfer: str | None, endpoints: dict[str, str | None]) -> StepContext:
    settings = Settings(
        default=DefaultSection(state_dir=state_dir),
        transfer=TransferSection(
            bandwidth_limit="1 MiB/s",
            endpoint_bandwidth_limit="00:00-24:00 2 MiB/s, 9 MiB/s",
            source_read_limit="3 MiB/s",
        ),
    )
    found = BandwidthLimits(transfer, endpoints)
    database = SimpleNamespace(transfers=SimpleNamespace(bandwidth_limits=lambda _: found))
    return cast("StepContext", SimpleNamespace(settings=settings, database=database))


def test_the_settings_hold_where_nothing_else_does(tmp_path: Path) -> None:
    op = operation(tmp_path, transfer=None, endpoints={"a": None, "b": None})
    shared = tuple(SharedLimit(tmp_path / "limits" / name, 2.0 * MIB) for name in ("a", "b"))
    assert limits_of(op, "t") == Limits(1.0 * MIB, shared, 3.0 * MIB)


def test_own_limits_come_first(tmp_path: Path) -> None:
    op = operation(tmp_path, transfer="unlimited", endpoints={"a": "7 MiB/s", "b": "unlimited"})
    limits = limits_of(op, "t")
    assert limits.wire == 0
    assert [limit.rate for limit in limits.shared] == [7.0 * MIB, 0]


def test_they_stay_while_the_database_is_away(tmp_path: Path) -> None:
    op = operation(tmp_path, transfer="5 MiB/s", endpoints={"a": None, "b": None})
    limits = RunLimits(op, "t")

    def away(_: str) -> None:
        raise sa.exc.OperationalError("select", {}, OSError("gone"))

    op.database.transfers.bandwidth_limits = away  # type: ignore[assignment, method-assign]
    assert limits().wire == 5.0 * MIB
