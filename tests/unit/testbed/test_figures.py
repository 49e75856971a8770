"""What the scenarios on the real OpenStack measured, from run to run, and the page that it becomes."""

from dataclasses import replace
from pathlib import Path

from tests.openstack_real.figures import Figure, FigureBook, Outcome, outcome_table, table

MIB = 1 << 20
_FULL = Figure("a-b", "full", 4096 * MIB, 700 * MIB, 0, 600 * MIB, 12.4, 71.0)


def test_a_route_that_ran_again_replaces_its_figures(tmp_path: Path) -> None:
    book = FigureBook(tmp_path / "figures.json")
    other = replace(_FULL, route="c-d")
    book.put("a-b", [_FULL, replace(_FULL, run="a file changed")])
    book.put("c-d", [other])
    book.put("a-b", [replace(_FULL, seconds=50.0)])
    assert book.figures() == [other, replace(_FULL, seconds=50.0)]


def test_only_what_held_in_its_last_run_is_told(tmp_path: Path) -> None:
    book = FigureBook(tmp_path / "figures.json")
    book.put("a-b", [_FULL])
    for scenario, passed in (("one", True), ("two", False), ("one", False), ("two", True)):
        book.record(Outcome.now(scenario, 61.6, passed=passed))
    told = outcome_table(book.outcomes())
    assert "| two |" in told
    assert "| 62 s |" in told
    assert "one" not in told
    assert book.figures() == [_FULL]


def test_the_table_counts_in_mebibytes() -> None:
    assert "| a-b | full | 4,096 MiB | 700 MiB | 0 MiB | 600 MiB | 12 s | 71 s |" in table([_FULL])
