"""coriolis transfer execution list | show | cancel | delete | watch"""

import argparse
from collections.abc import Mapping
from typing import Any

from coriolis.cli.base import ApiCommand, ApiLister, ApiShowOne
from coriolis.cli.client import ApiClient, segment
from coriolis.cli.follow import follow, last_of_transfer
from coriolis.cli.options import add_paging_options, paging_query
from coriolis.cli.output import Columns, Rows, TextColumn, many, one

_FIELDS = (
    "id",
    "action_id",
    "type",
    "number",
    "status",
    "queue_position",
    "queue_reason",
    "created_at",
    "updated_at",
    "tasks",
)


def executions_path(transfer: str) -> str:
    return f"/transfers/{segment(transfer)}/executions"


def execution_columns(execution: Mapping[str, Any]) -> Columns:
    return one(execution, _FIELDS, tasks=tasks_column(execution["tasks"]))


def tasks_column(tasks: list[dict[str, Any]]) -> TextColumn:
    """For people: one line per task, its fault below it, the bytes of its disks below that."""
    lines = []
    for task in tasks:
        lines.append(f"{task['index']}: {task['instance']} {task['task_type']} {task['status']}")
        if task["exception_details"]:
            lines.append(f"   {task['exception_details']}")
        lines += [f"   {update['message']}" for update in task["progress_updates"] if update.get("disk_id")]
    return TextColumn(tasks, "\n".join(lines))


def add_wait_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        action="store_true",
        help="Show progress on standard error until the end; exit code 0 completed, 1 error, 2 cancelled.",
    )


def wait_for_execution(
    api: ApiClient, transfer: str, execution_id: str, *, on_stdout: bool = False
) -> tuple[int, dict[str, Any]]:
    """Exit code and the finished execution."""
    path = f"{executions_path(transfer)}/{segment(execution_id)}"

    def title(execution: Mapping[str, Any]) -> str:
        return f"Execution {execution['number']} of transfer {transfer}"

    return follow(api, path, "execution", title, on_stdout=on_stdout)


class ListExecutions(ApiLister):
    """List the executions of a transfer."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer.")
        add_paging_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        answer = self.api.get(executions_path(parsed_args.transfer), **paging_query(parsed_args))
        columns = [
            ("ID", "id"),
            ("Number", "number"),
            ("Type", "type"),
            ("Status", "status"),
            ("Queue position", "queue_position"),
            ("Created", "created_at"),
            ("Updated", "updated_at"),
        ]
        return many(answer["executions"], columns)


class _ExecutionCommand(ApiCommand):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer.")
        parser.add_argument("id", help="Id of the execution.")
        return parser

    def path(self, parsed_args: argparse.Namespace) -> str:
        return f"{executions_path(parsed_args.transfer)}/{segment(parsed_args.id)}"


class ShowExecution(ApiShowOne):
    """Show an execution with its tasks."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer.")
        parser.add_argument("id", help="Id of the execution.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        path = f"{executions_path(parsed_args.transfer)}/{segment(parsed_args.id)}"
        return execution_columns(self.api.get(path)["execution"])


class CancelExecution(_ExecutionCommand):
    """Cancel an execution and remove what it made so far."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--force", action="store_true", help="Clean up without retries.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.post(f"{self.path(parsed_args)}/actions", {"cancel": {"force": parsed_args.force}})


class DeleteExecution(_ExecutionCommand):
    """Delete the record of a finished execution."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.delete(self.path(parsed_args))


class WatchExecution(ApiCommand):
    """Follow an execution to its end. Exit code 0 completed, 1 error, 2 cancelled."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer.")
        parser.add_argument("id", nargs="?", help="Id of the execution; the last one by default.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        transfer = parsed_args.transfer
        execution = parsed_args.id or last_of_transfer(
            self.api, executions_path(transfer), "execution", transfer
        )
        self.exit_code, _ = wait_for_execution(self.api, transfer, execution, on_stdout=True)
