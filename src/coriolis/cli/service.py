"""coriolis diagnostics get, service list, region list"""

import argparse

from coriolis.cli.base import ApiLister
from coriolis.cli.output import Rows, many


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
    """List the services."""

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


class ListRegions(ApiLister):
    """List the regions."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Rows:
        columns = [("ID", "id"), ("Name", "name"), ("Description", "description"), ("Enabled", "enabled")]
        return many(self.api.get("/regions")["regions"], columns)
