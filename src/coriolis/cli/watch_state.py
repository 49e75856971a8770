"""What is watched, and what can be told of it in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coriolis.cli.output import duration, size
from coriolis.model.enums import ExecutionStatus


@dataclass(frozen=True, slots=True)
class Watched:
    """One look at an execution or a deployment. `tasks` as the API gives them."""

    title: str
    status: str
    tasks: list[dict[str, Any]]
    queue_position: int | None = None
    queue_reason: str = ""

    @property
    def finished(self) -> bool:
        return ExecutionStatus(self.status).finished


def queue_line(watched: Watched) -> str:
    """ "queued, 5th in line, because: endpoint limit"; empty when nothing of it waits."""
    if watched.queue_position is None or watched.finished:
        return ""
    return f"queued, {_ordinal(watched.queue_position)} in line, because: {watched.queue_reason}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def disk_line(update: dict[str, Any]) -> str:
    """ "disk 1a2b: 45 % of 10 GiB, 80 MiB moved, 95 MiB/s, 1 min 02 s left" """
    parts = [
        f"disk {update['disk_id']}: {percent(update):.0f} % of {size(update['total_bytes'])}",
        moved(update),
    ]
    if rate := update.get("rate"):
        parts.append(f"{size(rate)}/s")
    if (left := update.get("eta_seconds")) and percent(update) < 100:
        parts.append(f"{duration(left)} left")
    return ", ".join(part for part in parts if part)


def moved(update: dict[str, Any]) -> str:
    return "" if update.get("moved_bytes") is None else f"{size(update['moved_bytes'])} moved"


def percent(update: dict[str, Any]) -> float:
    total = update.get("total_bytes")
    return 100.0 * (update.get("done_bytes") or 0) / total if total else 100.0


def failures(watched: Watched) -> Iterator[str]:
    for task in watched.tasks:
        if task["exception_details"]:
            yield f"{task['instance']} {task['task_type']} {task['status']}: {task['exception_details']}"


def disk_updates(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [update for update in task["progress_updates"] if update.get("disk_id")]


def scanned_bytes(watched: Watched) -> int:
    return sum(update.get("done_bytes") or 0 for task in watched.tasks for update in disk_updates(task))


def moved_bytes(watched: Watched) -> int:
    return sum(update.get("moved_bytes") or 0 for task in watched.tasks for update in disk_updates(task))
