"""coriolis transfer verify"""

import argparse
from collections.abc import Mapping
from typing import Any

from coriolis.cli.base import ApiShowOne
from coriolis.cli.client import segment
from coriolis.cli.execution import add_wait_option, execution_columns, wait_for_execution
from coriolis.cli.output import Columns, LinesColumn


class VerifyTransfer(ApiShowOne):
    """Read the replica disks again and compare them with what was copied.

    A disk that differs is named, and the next execution mends it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the transfer.")
        add_wait_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        path = f"/transfers/{segment(parsed_args.id)}/verifications"
        execution = self.api.post(path, {"verification": None})["execution"]
        if parsed_args.wait:
            self.exit_code, execution = wait_for_execution(self.api, parsed_args.id, execution["id"])
        names, values = execution_columns(execution)
        return (*names, "findings"), (*values, LinesColumn(_findings(execution)))


def _findings(execution: Mapping[str, Any]) -> list[str]:
    """What the verifying tasks said, one line each."""
    return [
        f"{task['instance']}: {event['message']}"
        for task in execution["tasks"]
        if task["task_type"] == "VERIFY_DISKS"
        for event in task["events"]
    ]
