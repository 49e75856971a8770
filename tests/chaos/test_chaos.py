"""A part of the matrix, with the other tests; all of it is `make chaos`."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.lane import MARIADB_2, SQLITE, Mode
from tests.chaos.runner import CATALOGUE, Runner


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", [SQLITE, MARIADB_2], ids=lambda mode: mode.name)
def test_the_engine_survives(mode: Mode, tmp_path: Path) -> None:
    """One test for each mode, since starting the servers takes longer than a scenario."""
    runner = Runner(tmp_path, Console(width=120))
    runner.run_mode(mode, [entry for entry in CATALOGUE if mode in entry.quick])
    assert {outcome.scenario: outcome.violations for outcome in runner.outcomes if outcome.violations} == {}
