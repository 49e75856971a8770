"""coriolis deployment create | list | show | cancel | delete | watch"""

import argparse
from collections.abc import Mapping
from typing import Any

from coriolis.cli.base import ApiCommand, ApiLister, ApiShowOne, ShowWithInstances
from coriolis.cli.client import ApiClient, segment
from coriolis.cli.execution import add_wait_option, tasks_column
from coriolis.cli.follow import follow
from coriolis.cli.migration import downtime_column
from coriolis.cli.options import (
    add_morphing_options,
    add_paging_options,
    given,
    morphing_wishes,
    paging_query,
)
from coriolis.cli.output import Columns, Rows, many, one

_FIELDS = (
    "id",
    "transfer_id",
    "transfer_scenario_type",
    "last_execution_status",
    "queue_position",
    "queue_reason",
    "instances",
    "notes",
    "origin_endpoint_id",
    "destination_endpoint_id",
    "source_environment",
    "destination_environment",
    "network_map",
    "storage_mappings",
    "instance_osmorphing_minion_pool_mappings",
    "user_scripts",
    "clone_disks",
    "skip_os_morphing",
    "transfer_result",
    "migration_id",
    "downtime",
    "tasks",
    "created_at",
    "updated_at",
)


def _path(deployment: str) -> str:
    return f"/deployments/{segment(deployment)}"


class CreateDeployment(ApiShowOne):
    """Turn the replica of a transfer into running VMs. The replica itself is not touched."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("transfer", help="Id of the transfer.")
        parser.add_argument(
            "--force", action="store_true", help="Deploy although the last execution did not complete."
        )
        parser.add_argument(
            "--dont-clone-disks",
            action="store_false",
            default=None,
            dest="clone_disks",
            help="Deploy the replica disks themselves, where the destination can (oVirt).",
        )
        add_morphing_options(parser)
        add_wait_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = given(
            transfer_id=parsed_args.transfer,
            force=parsed_args.force,
            clone_disks=parsed_args.clone_disks,
            **morphing_wishes(parsed_args),
        )
        deployment = self.api.post("/deployments", {"deployment": body})["deployment"]
        if parsed_args.wait:
            self.exit_code, deployment = wait_for_deployment(self.api, deployment["id"])
        return _shown(deployment)


class ListDeployments(ApiLister):
    """List the deployments."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_paging_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        columns = [
            ("ID", "id"),
            ("Transfer ID", "transfer_id"),
            ("Status", "last_execution_status"),
            ("Instances", "instances"),
            ("Notes", "notes"),
            ("Created", "created_at"),
        ]
        return many(self.api.get("/deployments", **paging_query(parsed_args))["deployments"], columns)


class ShowDeployment(ShowWithInstances):
    """Show a deployment with its tasks."""

    noun = "deployment"

    def columns(self, record: Mapping[str, Any], *more: str) -> Columns:
        return _shown(record, *more)


class _DeploymentCommand(ApiCommand):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the deployment.")
        return parser


class CancelDeployment(_DeploymentCommand):
    """Cancel a deployment and remove what it made so far."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--force", action="store_true", help="Clean up without retries.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.post(f"{_path(parsed_args.id)}/actions", {"cancel": {"force": parsed_args.force}})


class DeleteDeployment(_DeploymentCommand):
    """Delete the record of a finished deployment; its VMs stay."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.delete(_path(parsed_args.id))


class WatchDeployment(_DeploymentCommand):
    """Follow a deployment to its end. Exit code 0 completed, 1 error, 2 cancelled."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.exit_code, _ = wait_for_deployment(self.api, parsed_args.id, on_stdout=True)


def wait_for_deployment(
    api: ApiClient, deployment_id: str, *, on_stdout: bool = False
) -> tuple[int, dict[str, Any]]:
    """Exit code and the finished deployment."""

    def title(_: Mapping[str, Any]) -> str:
        return f"Deployment {deployment_id}"

    status = "last_execution_status"
    return follow(api, _path(deployment_id), "deployment", title, status=status, on_stdout=on_stdout)


def _shown(deployment: Mapping[str, Any], *more: str) -> Columns:
    downtime = downtime_column(deployment.get("downtime"))
    return one(deployment, (*_FIELDS, *more), downtime=downtime, tasks=tasks_column(deployment["tasks"]))
