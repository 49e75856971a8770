"""coriolis resource list | cleanup: the ledger of what was created in the clouds"""

import argparse
import time
from typing import Any

from coriolis.cli.base import ApiLister
from coriolis.cli.output import Rows, many

_POLL_SECONDS = 0.5

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

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--no-wait", action="store_true", help="List what is being tried, and do not wait for it."
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        tried = self.api.post("/resources/actions", {"retry-cleanup": None})["resources"]
        if parsed_args.no_wait:
            return many(tried, _COLUMNS)
        remaining = self._remaining() if tried else []
        self.exit_code = 1 if remaining else 0
        return many(remaining, _COLUMNS)

    def _remaining(self) -> list[dict[str, Any]]:
        while True:
            leftovers: list[dict[str, Any]] = self.api.get("/resources", leftover=True)["resources"]
            if not any(item["cleaning_up"] for item in leftovers):
                return leftovers
            time.sleep(_POLL_SECONDS)
