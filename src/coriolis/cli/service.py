"""coriolis service create | update | show | list | delete, diagnostics get"""

import argparse

from coriolis.cli.base import ApiCommand, ApiLister, ApiShowOne
from coriolis.cli.client import segment
from coriolis.cli.options import add_enabled_options, add_region_option, given
from coriolis.cli.output import Columns, Rows, many, one
from coriolis.cli.region import region_ids
from coriolis.errors import InvalidInput

_FIELDS = (
    "id",
    "host",
    "binary",
    "topic",
    "enabled",
    "status",
    "mapped_regions",
    "providers",
    "specs",
    "created_at",
    "updated_at",
)


class GetDiagnostics(ApiLister):
    """Show versions and hosts of every service."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Rows:
        columns = [
            ("Application", "application"),
            ("Release", "release_tag"),
            ("Hostname", "hostname"),
            ("IP Addresses", "ip_addresses"),
            ("OS Info", "os_info"),
            ("Packages", "packages"),
        ]
        return many(self.api.get("/diagnostics")["diagnostics"], columns)


class ListServices(ApiLister):
    """List the services: the processes of Coriolis, and whether they live."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Rows:
        columns = [
            ("ID", "id"),
            ("Host", "host"),
            ("Binary", "binary"),
            ("Topic", "topic"),
            ("Enabled", "enabled"),
            ("Status", "status"),
        ]
        return many(self.api.get("/services")["services"], columns)


class ShowService(ApiShowOne):
    """Show a service with its regions, its platforms and its host."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the service.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        return one(self.api.get(f"/services/{segment(parsed_args.id)}")["service"], _FIELDS)


class CreateService(ApiShowOne):
    """Write a service down before its process first starts, for instance to keep it disabled until then."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--host", required=True, help="Host name, or [DEFAULT] host of its coriolis.conf."
        )
        parser.add_argument("--binary", required=True, help="For example coriolis-conductor.")
        parser.add_argument("--topic", required=True, help="For example coriolis-conductor.")
        add_region_option(parser)
        add_enabled_options(parser, "It takes jobs (default).", "It takes no new jobs.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = {
            "host": parsed_args.host,
            "binary": parsed_args.binary,
            "topic": parsed_args.topic,
            "mapped_regions": region_ids(self.api, parsed_args.regions) or [],
            "enabled": parsed_args.enabled is not False,
        }
        return one(self.api.post("/services", {"service": body})["service"], _FIELDS)


class UpdateService(ApiShowOne):
    """Change the regions of a service, or whether it takes new jobs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the service.")
        add_region_option(parser)
        add_enabled_options(parser, "It takes jobs.", "It takes no new jobs; those it has, it finishes.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = given(mapped_regions=region_ids(self.api, parsed_args.regions), enabled=parsed_args.enabled)
        if not body:
            raise InvalidInput(message="Nothing to change: give --coriolis-region, --enabled or --disabled.")
        path = f"/services/{segment(parsed_args.id)}"
        return one(self.api.put(path, {"service": body})["service"], _FIELDS)


class DeleteService(ApiCommand):
    """Forget a service that is gone for good; one that lives comes back within seconds."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Id of the service.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.delete(f"/services/{segment(parsed_args.id)}")
