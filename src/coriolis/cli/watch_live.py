"""The live view: one line per task, a bar per disk, redrawn in place."""

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from coriolis.cli.output import duration, size
from coriolis.cli.watch_state import Watched, disk_updates, moved, percent, queue_line
from coriolis.model.enums import TaskStatus

_BAR_WIDTH = 32

_LOOKS: dict[str, tuple[str, str]] = {
    TaskStatus.COMPLETED: ("✓", "green"),
    TaskStatus.ERROR: ("✗", "bold red"),
    TaskStatus.FAILED_TO_SCHEDULE: ("✗", "bold red"),
    TaskStatus.RUNNING: ("▶", "cyan"),
    TaskStatus.STARTING: ("▶", "cyan"),
    TaskStatus.CANCELLING: ("◼", "yellow"),
    TaskStatus.CANCELED: ("◼", "yellow"),
    TaskStatus.CANCELED_AFTER_COMPLETION: ("◼", "yellow"),
    TaskStatus.UNSCHEDULED: ("·", "dim"),
}
_WAITING = ("·", "dim")
_ACTIVE = frozenset({TaskStatus.RUNNING, TaskStatus.STARTING, TaskStatus.CANCELLING})


class LiveView:
    """A context manager; what was shown last stays on the screen."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> "LiveView":
        self._live.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._live.__exit__(*failure)

    def show(self, watched: Watched) -> None:
        self._live.update(render(watched), refresh=True)

    def note(self, text: str) -> None:
        self._live.console.print(Text(text, style="yellow"))


def render(watched: Watched) -> RenderableType:
    rows: list[RenderableType] = [Text.assemble((watched.title, "bold"), "  ", watched.status)]
    if queue := queue_line(watched):
        rows.append(Text(f"   {queue}", "dim"))
    for task in sorted(watched.tasks, key=lambda task: (task["instance"], task["index"])):
        rows.append(_task_line(task))
        if updates := disk_updates(task):
            rows.append(_bars(updates))
    return Group(*rows)


def _task_line(task: dict[str, Any]) -> Text:
    sign, style = _LOOKS.get(task["status"], _WAITING)
    line = Text.assemble((f" {sign} ", style), (f"{task['instance']}  {task['task_type']}", style))
    if task["exception_details"]:
        line.append(f"  {task['exception_details']}", "red")
    elif task["status"] in _ACTIVE:
        line.append(f"  {_last_message(task)}", "dim")
    return line


def _last_message(task: dict[str, Any]) -> str:
    plain = [update for update in task["progress_updates"] if not update.get("disk_id")]
    if not plain:
        return ""
    last = max(plain, key=lambda update: (update["updated_at"] or update["created_at"], update["index"]))
    steps = f" {last['current_step']}/{last['total_steps']}" if last["total_steps"] else ""
    return f"{last['message']}{steps}"


def _bars(updates: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for update in updates:
        total = update.get("total_bytes") or 0
        rate, left = update.get("rate"), update.get("eta_seconds")
        done = percent(update) >= 100
        table.add_row(
            f"     {update['disk_id'][:12]}",
            ProgressBar(total=100, completed=percent(update), width=_BAR_WIDTH),
            f"{percent(update):3.0f} %",
            f"{size(update.get('done_bytes') or 0)} of {size(total)}",
            moved(update),
            f"{size(rate)}/s" if rate and not done else "",
            f"{duration(left)} left" if left and not done else "",
        )
    return table
