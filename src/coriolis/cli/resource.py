"""coriolis resource list | cleanup: the ledger of what was created in the clouds"""

import argparse

from coriolis.cli.base import ApiLister
from coriolis.cli.output import Rows, many

_COLUMNS = [
    ("ID", "id"),
    ("Kind", "kind"),
    ("Name", "name"),
    ("State", "state"),
    ("Cloud ID", "cloud_id"),
    ("Endpoint", "endpoint_name"),
    ("Reason", "reason"),
]


class ListResources(ApiLister):
    """List what Coriolis made in the clouds and has not removed: in use, kept on purpose, or left over."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--leftover", action="store_true", help="Only what a clean-up could not remove.")
        which.add_argument("--all", action="store_true", help="Also what was removed.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        query = {"leftover": parsed_args.leftover or None, "all": parsed_args.all or None}
        return many(self.api.get("/resources", **query)["resources"], _COLUMNS)


class CleanUpResources(ApiLister):
    """Try again to remove what was left over; lists what still remains. Exit code 1 if anything does."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Rows:
        remaining = self.api.post("/resources/actions", {"retry-cleanup": None})["resources"]
        self.exit_code = 1 if remaining else 0
        return many(remaining, _COLUMNS)
