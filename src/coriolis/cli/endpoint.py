"""coriolis endpoint create | update | delete | show | list | validate connection | export inventory"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coriolis.cli.base import ApiCommand, ApiLister, ApiShowOne
from coriolis.cli.client import ApiClient, segment
from coriolis.cli.options import (
    add_bandwidth_option,
    add_environment_option,
    add_json_option,
    add_region_option,
    environment_query,
    given,
    read_json_option,
)
from coriolis.cli.output import Columns, Rows, many, one
from coriolis.cli.region import region_ids
from coriolis.errors import CoriolisError, InvalidInput, NotFound

_FIELDS = (
    "id",
    "name",
    "type",
    "description",
    "connection_info",
    "mapped_regions",
    "bandwidth_limit",
    "created_at",
    "updated_at",
)


def endpoint_id(api: ApiClient, name_or_id: str) -> str:
    """Raises NotFound, or InvalidInput where several endpoints have the name."""
    endpoints = api.get("/endpoints")["endpoints"]
    if any(item["id"] == name_or_id for item in endpoints):
        return name_or_id
    found: list[str] = [item["id"] for item in endpoints if item["name"] == name_or_id]
    if not found:
        raise NotFound(kind="Endpoint", name=name_or_id)
    if len(found) > 1:
        raise InvalidInput(message=f"{len(found)} endpoints are named {name_or_id!r}; give the id instead.")
    return found[0]


def endpoint_path(api: ApiClient, name_or_id: str) -> str:
    return f"/endpoints/{segment(endpoint_id(api, name_or_id))}"


class ListEndpoints(ApiLister):
    """List the endpoints."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Rows:
        columns = [("ID", "id"), ("Name", "name"), ("Type", "type"), ("Description", "description")]
        return many(self.api.get("/endpoints")["endpoints"], columns)


class ShowEndpoint(ApiShowOne):
    """Show an endpoint; secrets of its connection info are masked."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the endpoint.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        return one(self.api.get(endpoint_path(self.api, parsed_args.id))["endpoint"], _FIELDS)


class CreateEndpoint(ApiShowOne):
    """Create an endpoint and validate its connection. Nothing is created where the validation fails."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--name", required=True, help="Name of the endpoint.")
        parser.add_argument("--provider", required=True, help="Platform, see `coriolis provider list`.")
        parser.add_argument("--skip-validation", action="store_true", help="Do not log in to the cloud now.")
        _add_details(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        connection = _connection(parsed_args)
        if connection is None:
            raise InvalidInput(
                message="One of --connection, --connection-file and --connection-secret is needed."
            )
        body = {
            "name": parsed_args.name,
            "type": parsed_args.provider,
            "description": parsed_args.description,
            "connection_info": connection,
            "mapped_regions": region_ids(self.api, parsed_args.regions) or [],
            **given(bandwidth_limit=parsed_args.bandwidth_limit),
        }
        endpoint = self.api.post("/endpoints", {"endpoint": body})["endpoint"]
        if not parsed_args.skip_validation:
            self._validate(endpoint)
        return one(endpoint, _FIELDS)

    def _validate(self, endpoint: Mapping[str, Any]) -> None:
        path = f"/endpoints/{endpoint['id']}"
        try:
            require_valid(self.api, path)
        except CoriolisError:
            self.api.delete(path)
            raise


class UpdateEndpoint(ApiShowOne):
    """Change an endpoint. A secret given as "***" keeps its stored value."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the endpoint.")
        parser.add_argument("--name", help="New name of the endpoint.")
        _add_details(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = given(
            name=parsed_args.name,
            description=parsed_args.description,
            connection_info=_connection(parsed_args),
            mapped_regions=region_ids(self.api, parsed_args.regions),
            bandwidth_limit=parsed_args.bandwidth_limit,
        )
        if not body:
            raise InvalidInput(
                message="Nothing to change: give --name, --description, --coriolis-region, --bandwidth-limit or a "
                "--connection option."
            )
        path = endpoint_path(self.api, parsed_args.id)
        return one(self.api.put(path, {"endpoint": body})["endpoint"], _FIELDS)


class DeleteEndpoint(ApiCommand):
    """Delete an endpoint."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the endpoint.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.delete(endpoint_path(self.api, parsed_args.id))


class ValidateConnection(ApiCommand):
    """Log in to the cloud with the endpoint's connection info."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the endpoint.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        message = require_valid(self.api, endpoint_path(self.api, parsed_args.id))
        self.app.stdout.write(f"{message}\n")


class ExportInventory(ApiCommand):
    """Write the endpoint's instances as CSV."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the endpoint.")
        parser.add_argument(
            "--output-file", metavar="PATH", help="File to write; standard output by default."
        )
        add_environment_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        path = f"{endpoint_path(self.api, parsed_args.id)}/inventory"
        text = self.api.get_text(path, **environment_query(parsed_args))
        if parsed_args.output_file is None:
            self.app.stdout.write(text)
            return
        try:
            Path(parsed_args.output_file).write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            reason = f"--output-file: cannot write {parsed_args.output_file!r}: {error.strerror}."
            raise InvalidInput(message=reason) from error


def require_valid(api: ApiClient, path: str) -> str:
    """What the server says of a valid connection. Raises InvalidInput with its reason otherwise."""
    answer = api.post(f"{path}/actions", {"validate-connection": None})["validate-connection"]
    if not answer["valid"]:
        raise InvalidInput(message=f"The connection is not valid: {answer['message']}")
    return str(answer["message"] or "The connection is valid.")


def _add_details(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--description", help="What the endpoint is for.")
    add_region_option(parser)
    add_bandwidth_option(parser)
    add_json_option(parser, "connection", "Connection info")
    parser.add_argument(
        "--connection-secret",
        metavar="URL",
        help="Reference of a Barbican secret that holds the connection info.",
    )


def _connection(parsed: argparse.Namespace) -> dict[str, Any] | None:
    connection = read_json_option(parsed, "connection")
    if parsed.connection_secret is None:
        return connection
    if connection is not None:
        raise InvalidInput(message="--connection-secret cannot go with --connection or --connection-file.")
    return {"secret_ref": parsed.connection_secret}
