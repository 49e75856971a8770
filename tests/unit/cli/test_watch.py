"""Following work to its end."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from coriolis.cli.watch import watch
from coriolis.cli.watch_live import render
from coriolis.cli.watch_state import Watched, disk_line
from coriolis.errors import ServerUnreachable

GIB = 1 << 30


def _task(index: int, kind: str, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"t{index}",
        "index": index,
        "instance": "vm1",
        "task_type": kind,
        "status": status,
        "exception_details": None,
        "events": [],
        "progress_updates": [],
        **fields,
    }


def _disk(done: int, moved: int, rate: float | None = None, eta: float | None = None) -> dict[str, Any]:
    return {
        "id": "p1",
        "index": 1,
        "message": "disk",
        "current_step": 0,
        "total_steps": 0,
        "created_at": "",
        "updated_at": None,
        "disk_id": "d1",
        "done_bytes": done,
        "total_bytes": 10 * GIB,
        "moved_bytes": moved,
        "rate": rate,
        "eta_seconds": eta,
    }


def _looks(*looks: Watched | Exception) -> Callable[[], Watched]:
    remaining: Iterator[Watched | Exception] = iter(looks)

    def read() -> Watched:
        look = next(remaining)
        if isinstance(look, Exception):
            raise look
        return look

    return read


def _watched(status: str, *tasks: dict[str, Any]) -> Watched:
    return Watched("Execution 1 of transfer T", status, list(tasks))


def _lines(text: str) -> list[str]:
    """Without the time of day."""
    return [line[10:] if line[2:3] == ":" else line for line in text.splitlines()]


def test_plain_lines_say_what_changed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coriolis.cli.watch.PLAIN_BAR_SECONDS", 0.0)
    half = _disk(5 * GIB, GIB, rate=100.0 * (1 << 20), eta=51.2)
    full = _disk(10 * GIB, GIB)
    event = {"id": "e1", "level": "WARNING", "message": "the source is slow"}
    code = watch(
        _looks(
            _watched(
                "RUNNING", _task(0, "GET_INSTANCE_INFO", "RUNNING"), _task(1, "REPLICATE_DISKS", "SCHEDULED")
            ),
            _watched(
                "RUNNING",
                _task(0, "GET_INSTANCE_INFO", "COMPLETED"),
                _task(1, "REPLICATE_DISKS", "RUNNING", progress_updates=[half], events=[event]),
            ),
            _watched(
                "COMPLETED",
                _task(0, "GET_INSTANCE_INFO", "COMPLETED"),
                _task(1, "REPLICATE_DISKS", "COMPLETED", progress_updates=[full], events=[event]),
            ),
        ),
        on_stdout=True,
        poll_seconds=0,
    )
    assert code == 0
    assert _lines(capsys.readouterr().out) == [
        "Execution 1 of transfer T",
        "vm1 GET_INSTANCE_INFO: RUNNING",
        "vm1 GET_INSTANCE_INFO: COMPLETED",
        "vm1 REPLICATE_DISKS: RUNNING",
        "vm1 REPLICATE_DISKS: WARNING: the source is slow",
        "vm1 REPLICATE_DISKS: disk d1: 50 % of 10 GiB, 1 GiB moved, 100 MiB/s, 51 s left",
        "vm1 REPLICATE_DISKS: disk d1: 100 % of 10 GiB, 1 GiB moved",
        "vm1 REPLICATE_DISKS: COMPLETED",
        "Execution 1 of transfer T: COMPLETED after 0 s of watching; 10 GiB compared, 1 GiB moved",
    ]


def test_a_run_that_waits_says_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    def waits(position: int) -> Watched:
        task = _task(0, "GET_INSTANCE_INFO", "SCHEDULED")
        return Watched("Execution 1 of transfer T", "PENDING", [task], position, "endpoint limit")

    watch(_looks(waits(5), waits(5), waits(1), _watched("CANCELED")), on_stdout=True, poll_seconds=0)
    assert _lines(capsys.readouterr().out)[:3] == [
        "Execution 1 of transfer T",
        "queued, 5th in line, because: endpoint limit",
        "queued, 1st in line, because: endpoint limit",
    ]
    console = Console(width=100, record=True)
    console.print(render(waits(12)))
    assert "queued, 12th in line, because: endpoint limit" in console.export_text()


@pytest.mark.parametrize(
    ("status", "code"), [("COMPLETED", 0), ("ERROR", 1), ("DEADLOCKED", 1), ("CANCELED", 2)]
)
def test_exit_codes(status: str, code: int) -> None:
    assert watch(_looks(_watched(status)), on_stdout=False) == code


def test_a_failure_is_told_with_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    failed = _task(3, "OS_MORPHING", "ERROR", exception_details="OSMorphing failed while it tried to mount /")
    assert watch(_looks(_watched("ERROR", failed)), on_stdout=False) == 1
    assert "vm1 OS_MORPHING ERROR: OSMorphing failed while it tried to mount /" in capsys.readouterr().err


def test_a_server_that_restarts_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coriolis.cli.watch.POLL_SECONDS", 0.0)
    gone = ServerUnreachable(url="http://127.0.0.1:1/v1/p", reason="refused")
    assert (
        watch(_looks(_watched("RUNNING"), gone, gone, _watched("COMPLETED")), on_stdout=True, poll_seconds=0)
        == 0
    )
    assert capsys.readouterr().out.count("waiting for it to come back") == 1


def test_a_server_that_was_never_there_is_an_error() -> None:
    with pytest.raises(ServerUnreachable):
        watch(_looks(ServerUnreachable(url="u", reason="refused")), on_stdout=True)


def test_live_view_has_a_line_per_task_and_a_bar_per_disk() -> None:
    console = Console(width=120, record=True, force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    running = _task(
        1, "REPLICATE_DISKS", "RUNNING", progress_updates=[_disk(5 * GIB, GIB, 100.0 * (1 << 20), 51.2)]
    )
    console.print(render(_watched("RUNNING", _task(0, "GET_INSTANCE_INFO", "COMPLETED"), running)))
    text = console.export_text()
    assert "✓ vm1  GET_INSTANCE_INFO" in text
    assert "▶ vm1  REPLICATE_DISKS" in text
    bar = next(line for line in text.splitlines() if "d1" in line)
    for part in ("━", "50 %", "5 GiB of 10 GiB", "1 GiB moved", "100 MiB/s", "51 s left"):
        assert part in bar


def test_a_disk_without_bytes_counts_as_done() -> None:
    empty = {"disk_id": "d0", "done_bytes": 0, "total_bytes": 0, "moved_bytes": 0}
    assert disk_line(empty) == "disk d0: 100 % of 0 B, 0 B moved"
