"""coriolis transfer create | update | list | show | delete | disks delete | execute"""

import argparse
from collections.abc import Mapping
from typing import Any

from coriolis.cli.base import ApiCommand, ApiLister, ApiShowOne, ShowWithInstances
from coriolis.cli.client import segment
from coriolis.cli.endpoint import endpoint_id
from coriolis.cli.execution import add_wait_option, execution_columns, wait_for_execution
from coriolis.cli.migration import downtime_column, migration_line
from coriolis.cli.options import add_paging_options, paging_query
from coriolis.cli.output import Columns, LinesColumn, Rows, many, one
from coriolis.cli.transfer_options import add_transfer_options, transfer_body
from coriolis.errors import InvalidInput
from coriolis.model.enums import Scenario

_FIELDS = (
    "id",
    "scenario",
    "last_execution_status",
    "instances",
    "notes",
    "origin_endpoint_id",
    "destination_endpoint_id",
    "source_environment",
    "destination_environment",
    "network_map",
    "storage_mappings",
    "origin_minion_pool_id",
    "destination_minion_pool_id",
    "instance_osmorphing_minion_pool_mappings",
    "user_scripts",
    "clone_disks",
    "skip_os_morphing",
    "bandwidth_limit",
    "clustered",
    "executions",
    "migration",
    "downtime",
    "created_at",
    "updated_at",
)


def _path(transfer: str) -> str:
    return f"/transfers/{segment(transfer)}"


class CreateTransfer(ApiShowOne):
    """Create a transfer: which instances go where, and how. Nothing is copied yet."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--origin-endpoint", required=True, help="Name or id of the endpoint to read from."
        )
        parser.add_argument(
            "--destination-endpoint", required=True, help="Name or id of the endpoint to write to."
        )
        parser.add_argument(
            "--instance",
            action="append",
            required=True,
            dest="instances",
            metavar="INSTANCE",
            help="Name or id of an instance. Can be repeated.",
        )
        parser.add_argument(
            "--scenario",
            choices=[scenario.value for scenario in Scenario],
            default=Scenario.REPLICA.value,
            help="replica: deploy as often as wanted (default); live_migration: once.",
        )
        add_transfer_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = {
            "scenario": parsed_args.scenario,
            "origin_endpoint_id": endpoint_id(self.api, parsed_args.origin_endpoint),
            "destination_endpoint_id": endpoint_id(self.api, parsed_args.destination_endpoint),
            "instances": parsed_args.instances,
            "source_environment": {},
            "destination_environment": {},
            "network_map": {},
            "storage_mappings": {},
            **transfer_body(parsed_args),
        }
        return _shown(self.api.post("/transfers", {"transfer": body})["transfer"])


class UpdateTransfer(ApiShowOne):
    """Change what the next executions and deployments of a transfer do."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the transfer.")
        add_transfer_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = transfer_body(parsed_args)
        if not body:
            raise InvalidInput(message="Nothing to change: give at least one option.")
        return execution_columns(self.api.put(_path(parsed_args.id), {"transfer": body})["execution"])


class ListTransfers(ApiLister):
    """List the transfers."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_paging_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        columns = [
            ("ID", "id"),
            ("Scenario", "scenario"),
            ("Instances", "instances"),
            ("Notes", "notes"),
            ("Last Execution Status", "last_execution_status"),
            ("Created", "created_at"),
        ]
        return many(self.api.get("/transfers", **paging_query(parsed_args))["transfers"], columns)


class ShowTransfer(ShowWithInstances):
    """Show a transfer."""

    noun = "transfer"

    def columns(self, record: Mapping[str, Any], *more: str) -> Columns:
        return _shown(record, *more)


class DeleteTransfer(ApiCommand):
    """Delete a transfer; its deployments stay listed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the transfer.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.delete(_path(parsed_args.id))


class DeleteDisks(ApiShowOne):
    """Delete the replica disks of a transfer on the destination."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the transfer.")
        add_wait_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        path = f"{_path(parsed_args.id)}/actions"
        execution = self.api.post(path, {"delete-disks": None})["execution"]
        if parsed_args.wait:
            self.exit_code, execution = wait_for_execution(self.api, parsed_args.id, execution["id"])
        return execution_columns(execution)


class ExecuteTransfer(ApiShowOne):
    """Copy what changed since the last execution (everything, the first time)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer.")
        parser.add_argument(
            "--shutdown-instances", action="store_true", help="Shut the instances down first."
        )
        parser.add_argument(
            "--auto-deploy", action="store_true", help="Deploy when the execution has completed."
        )
        add_wait_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = {"shutdown_instances": parsed_args.shutdown_instances, "auto_deploy": parsed_args.auto_deploy}
        path = f"{_path(parsed_args.transfer)}/executions"
        execution = self.api.post(path, {"execution": body})["execution"]
        if parsed_args.wait:
            self.exit_code, execution = wait_for_execution(self.api, parsed_args.transfer, execution["id"])
        return execution_columns(execution)


def _shown(transfer: Mapping[str, Any], *more: str) -> Columns:
    runs = [f"{run['number']}: {run['id']} {run['status']}" for run in transfer.get("executions", ())]
    migration = transfer.get("migration")
    return one(
        transfer,
        (*_FIELDS, *more),
        executions=LinesColumn(runs),
        migration=migration_line(migration),
        downtime=downtime_column(migration and migration["downtime"]),
    )
