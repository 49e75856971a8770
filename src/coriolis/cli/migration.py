"""coriolis transfer migrate, coriolis transfer migration list | show | cancel | watch"""

import argparse
import re
from collections.abc import Callable, Mapping
from typing import Any

from coriolis.cli.base import ApiCommand, ApiLister, ApiShowOne
from coriolis.cli.client import ApiClient, segment
from coriolis.cli.execution import add_wait_option, tasks_column
from coriolis.cli.follow import follow, last_of_transfer
from coriolis.cli.options import (
    add_morphing_options,
    add_paging_options,
    given,
    morphing_wishes,
    paging_query,
)
from coriolis.cli.output import Columns, Rows, TextColumn, duration, many, one, size
from coriolis.model.migration import MigrationPhase

_FIELDS = (
    "id",
    "transfer_id",
    "number",
    "status",
    "phase",
    "message",
    "passes",
    "cutover_reason",
    "downtime",
    "execution_id",
    "deployment_id",
    "max_passes",
    "small_delta_bytes",
    "small_delta_seconds",
    "restart_source_on_failure",
    "queue_position",
    "queue_reason",
    "tasks",
    "created_at",
    "updated_at",
)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_PARTS = (
    ("shutdown_seconds", "shutdown"),
    ("last_delta_seconds", "last delta"),
    ("clone_seconds", "clones"),
    ("verify_seconds", "verification"),
    ("morph_seconds", "morphing"),
    ("boot_seconds", "boot"),
)


def migrations_path(transfer: str) -> str:
    return f"/transfers/{segment(transfer)}/migrations"


def downtime_column(downtime: Mapping[str, Any] | None) -> Any:
    """For people a line per instance: "web: 1 min 32 s (shutdown 12 s, last delta 41 s, …)"."""
    if downtime is None:
        return ""
    lines = []
    for instance, found in downtime.items():
        parts = ", ".join(f"{word} {duration(found[name])}" for name, word in _PARTS)
        lines.append(f"{instance}: {duration(found['total_seconds'])} ({parts})")
    return TextColumn(downtime, "\n".join(lines))


def migration_line(migration: Mapping[str, Any] | None) -> Any:
    """The last migration of a transfer in one line, for people."""
    if migration is None:
        return ""
    parts = [f"{migration['number']}: {migration['id']} {migration['status']}"]
    if migration["status"] == "RUNNING":
        parts.append(_stage(migration))
    if migration["message"]:
        parts.append(migration["message"])
    return TextColumn(migration, ", ".join(parts))


class MigrateTransfer(ApiShowOne):
    """Carry a live migration over with little downtime: copy what changed, again and again, until a copy moves little
    or is short; shut the instances down; copy the rest; deploy."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer, of scenario live_migration.")
        parser.add_argument(
            "--max-passes", type=int, metavar="N", help="Shut down after so many copies in any case."
        )
        parser.add_argument(
            "--small-delta-bytes",
            type=byte_count,
            metavar="BYTES",
            help="Shut down after a copy that moved no more, e.g. 64M.",
        )
        parser.add_argument(
            "--small-delta-seconds",
            type=float,
            metavar="SECONDS",
            help="Shut down after a copy that took no longer.",
        )
        parser.add_argument(
            "--leave-source-off",
            action="store_const",
            const=False,
            dest="restart_source_on_failure",
            help="Do not start the instances on the source again when it fails or is cancelled after they were "
            "shut down.",
        )
        add_morphing_options(parser)
        add_wait_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = given(
            max_passes=parsed_args.max_passes,
            small_delta_bytes=parsed_args.small_delta_bytes,
            small_delta_seconds=parsed_args.small_delta_seconds,
            restart_source_on_failure=parsed_args.restart_source_on_failure,
            **morphing_wishes(parsed_args),
        )
        path = migrations_path(parsed_args.transfer)
        migration = self.api.post(path, {"migration": body})["migration"]
        if parsed_args.wait:
            self.exit_code, migration = wait_for_migration(self.api, parsed_args.transfer, migration["id"])
        return _shown(migration)


class ListMigrations(ApiLister):
    """List the migrations of a transfer."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer.")
        add_paging_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        answer = self.api.get(migrations_path(parsed_args.transfer), **paging_query(parsed_args))
        columns: list[tuple[str, str | Callable[[Mapping[str, Any]], Any]]] = [
            ("ID", "id"),
            ("Number", "number"),
            ("Status", "status"),
            ("Phase", "phase"),
            ("Passes", lambda item: len(item["passes"])),
            ("Downtime", lambda item: _longest(item["downtime"])),
            ("Created", "created_at"),
        ]
        return many(answer["migrations"], columns)


class ShowMigration(ApiShowOne):
    """Show a migration: its passes, its downtime, and the tasks of its present run."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _add_arguments(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        return _shown(self.api.get(_path(self.api, parsed_args))["migration"])


class CancelMigration(ApiCommand):
    """Cancel a migration and remove what its run made so far. Instances that it shut down are started again."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _add_arguments(super().get_parser(prog_name))
        parser.add_argument("--force", action="store_true", help="Clean up without retries.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        path = f"{_path(self.api, parsed_args)}/actions"
        self.api.post(path, {"cancel": {"force": parsed_args.force}})


class WatchMigration(ApiCommand):
    """Follow a migration through all its runs to its end. Exit code 0 completed, 1 error, 2 cancelled."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _add_arguments(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        migration = parsed_args.id or _last(self.api, parsed_args.transfer)
        self.exit_code, _ = wait_for_migration(self.api, parsed_args.transfer, migration, on_stdout=True)


def wait_for_migration(
    api: ApiClient, transfer: str, migration_id: str, *, on_stdout: bool = False
) -> tuple[int, dict[str, Any]]:
    """Exit code and the finished migration."""
    path = f"{migrations_path(transfer)}/{segment(migration_id)}"

    def title(migration: Mapping[str, Any]) -> str:
        return f"Migration {migration['number']} of transfer {transfer}, {_stage(migration)}"

    return follow(api, path, "migration", title, on_stdout=on_stdout)


def byte_count(text: str) -> int:
    """ "1000000", "64M", "64MiB": units are powers of 1024."""
    found = re.fullmatch(r"(\d+)([kmgt]?)(?:ib|b)?", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes such as 64M")
    return int(found[1]) * _UNITS[found[2]]


def _stage(migration: Mapping[str, Any]) -> str:
    """ "copying, pass 2", "deploying" """
    words = str(migration["phase"]).replace("_", " ")
    if migration["phase"] == MigrationPhase.COPYING:
        return f"{words}, pass {len(migration['passes']) + 1}"
    return words


def _longest(downtime: Mapping[str, Any] | None) -> str:
    return duration(max(item["total_seconds"] for item in downtime.values())) if downtime else ""


def _add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("transfer", help="Id of the transfer.")
    parser.add_argument("id", nargs="?", help="Id of the migration; the last one by default.")
    return parser


def _path(api: ApiClient, parsed_args: argparse.Namespace) -> str:
    migration = parsed_args.id or _last(api, parsed_args.transfer)
    return f"{migrations_path(parsed_args.transfer)}/{segment(migration)}"


def _last(api: ApiClient, transfer: str) -> str:
    return last_of_transfer(api, migrations_path(transfer), "migration", transfer)


def _shown(migration: Mapping[str, Any]) -> Columns:
    passes = [
        f"{number}: {size(item['moved_bytes'])} moved in {duration(item['copy_seconds'])}"
        + (", going on from an interrupted copy" if item["interrupted"] else "")
        + (", the instances shut down" if item["cutover"] else "")
        for number, item in enumerate(migration["passes"], start=1)
    ]
    return one(
        migration,
        _FIELDS,
        passes=TextColumn(migration["passes"], "\n".join(passes)),
        downtime=downtime_column(migration["downtime"]),
        tasks=tasks_column(migration["tasks"]),
    )
