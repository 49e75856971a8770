"""docs/reference/jobboards.md says what the suite holds the boards to."""

from pathlib import Path

from tests.conformance.jobboard import test_board, test_sharing
from tests.conformance.jobboard.guarantees import GUARANTEES, UNMET

PAGE = Path(__file__).parents[3] / "docs/reference/jobboards.md"


def test_the_page_has_the_table_of_the_suite() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    table = {cells[0]: cells[1:] for cells in rows if len(cells) == 5 and cells[0] != "guarantee"}
    redis = {key: f"no: {UNMET['redis'][key]}" if key in UNMET["redis"] else "yes" for key in GUARANTEES}
    assert table == {text: ["yes", "yes", "yes", redis[key]] for key, text in GUARANTEES.items()}


def test_every_guarantee_has_a_test() -> None:
    tested = {
        mark.args[0]
        for module in (test_board, test_sharing)
        for test in vars(module).values()
        for mark in getattr(test, "pytestmark", ())
        if mark.name == "guarantee"
    }
    assert tested == set(GUARANTEES)
