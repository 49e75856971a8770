"""coriolis endpoint instance list|show, network list, storage list, destination|source options list"""

import argparse
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from coriolis.cli.base import ApiLister, ApiShowOne
from coriolis.cli.client import encode_name
from coriolis.cli.endpoint import endpoint_path
from coriolis.cli.options import add_environment_option, encode_json, environment_query
from coriolis.cli.output import Columns, LinesColumn, Rows, TextColumn, many, one


class _EndpointLister(ApiLister):
    """A list of what one endpoint has."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("endpoint", help="Name or id of the endpoint.")
        add_environment_option(parser)
        return parser

    def ask(self, parsed_args: argparse.Namespace, what: str, **query: Any) -> Any:
        path = f"{endpoint_path(self.api, parsed_args.endpoint)}/{what}"
        return self.api.get(path, **environment_query(parsed_args), **query)


class ListInstances(_EndpointLister):
    """List the instances of an endpoint."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--marker", help="Id of the last instance of the previous page.")
        parser.add_argument("--limit", type=int, help="How many instances to list at most.")
        parser.add_argument("--name", help="Only instances whose name contains this.")
        parser.add_argument("--refresh", action="store_true", help="Ask the cloud, whatever was remembered.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        answer = self.ask(
            parsed_args,
            "instances",
            marker=parsed_args.marker,
            limit=parsed_args.limit,
            name=parsed_args.name,
            refresh=parsed_args.refresh or None,
        )
        columns = [
            ("ID", "id"),
            ("Name", "name"),
            ("Flavor", "flavor_name"),
            ("Memory MB", "memory_mb"),
            ("Cores", "num_cpu"),
            ("OS Type", "os_type"),
        ]
        return many(answer["instances"], columns)


class ShowInstance(ApiShowOne):
    """Show an instance with its disks and NICs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("endpoint", help="Name or id of the endpoint.")
        parser.add_argument("instance", help="Name or id of the instance.")
        add_environment_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        path = (
            f"{endpoint_path(self.api, parsed_args.endpoint)}/instances/{encode_name(parsed_args.instance)}"
        )
        instance = self.api.get(path, **environment_query(parsed_args))["instance"]
        return one(instance, tuple(instance))


class ListNetworks(_EndpointLister):
    """List the networks of an endpoint."""

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        return many(self.ask(parsed_args, "networks")["networks"], [("ID", "id"), ("Name", "name")])


class ListStorage(_EndpointLister):
    """List the storage backends of an endpoint."""

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        storage = self.ask(parsed_args, "storage")["storage"]
        default = storage.get("config_default")

        def is_default(backend: Mapping[str, Any]) -> bool:
            return default is not None and default in (backend["id"], backend["name"])

        return many(storage["storage_backends"], [("ID", "id"), ("Name", "name"), ("Default", is_default)])


class _OptionsLister(_EndpointLister):
    direction: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--options", nargs="+", metavar="OPTION", help="Only these options.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        query = {"options": encode_json(parsed_args.options)} if parsed_args.options else {}
        answer = self.ask(parsed_args, f"{self.direction}-options", **query)
        return many(
            answer[f"{self.direction}_options"],
            [("Name", "name"), ("Values", _values), ("Default", "config_default")],
        )


class ListDestinationOptions(_OptionsLister):
    """List the options of the endpoint's destination environment with the values this cloud offers."""

    direction = "destination"


class ListSourceOptions(_OptionsLister):
    """List the options of the endpoint's source environment with the values this cloud offers."""

    direction = "source"


def _values(option: Mapping[str, Any]) -> Any:
    values = option["values"]
    if all(isinstance(value, str) for value in values):
        return LinesColumn(values)
    return TextColumn(values, "\n".join(_value(value) for value in values))


def _value(value: Any) -> str:
    if isinstance(value, dict) and {"id", "name"} <= value.keys():
        return f"{value['name']} ({value['id']})"
    return value if isinstance(value, str) else json.dumps(value)
