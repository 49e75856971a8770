"""coriolis region create | update | show | list | delete"""

import argparse
from collections.abc import Sequence
from uuid import UUID

from coriolis.cli.base import ApiCommand, ApiLister, ApiShowOne
from coriolis.cli.client import ApiClient, segment
from coriolis.cli.options import add_enabled_options, given
from coriolis.cli.output import Columns, Rows, many, one
from coriolis.errors import InvalidInput, NotFound

_FIELDS = (
    "id",
    "name",
    "description",
    "enabled",
    "mapped_services",
    "mapped_endpoints",
    "created_at",
    "updated_at",
)


def region_ids(api: ApiClient, names_or_ids: Sequence[str] | None) -> list[str] | None:
    """None for None. Ids are taken as they are: to list the regions takes an administrator. Raises NotFound."""
    if names_or_ids is None or all(_is_id(wanted) for wanted in names_or_ids):
        return None if names_or_ids is None else list(names_or_ids)
    regions = api.get("/regions")["regions"]
    ids = {item["name"]: item["id"] for item in regions} | {item["id"]: item["id"] for item in regions}
    for wanted in names_or_ids:
        if wanted not in ids:
            raise NotFound(kind="Region", name=wanted)
    return [ids[wanted] for wanted in names_or_ids]


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _path(api: ApiClient, name_or_id: str) -> str:
    found = region_ids(api, [name_or_id])
    return f"/regions/{segment((found or [name_or_id])[0])}"


class ListRegions(ApiLister):
    """List the regions."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Rows:
        columns = [("ID", "id"), ("Name", "name"), ("Description", "description"), ("Enabled", "enabled")]
        return many(self.api.get("/regions")["regions"], columns)


class ShowRegion(ApiShowOne):
    """Show a region with the services and endpoints that are mapped to it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the region.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        return one(self.api.get(_path(self.api, parsed_args.id))["region"], _FIELDS)


class CreateRegion(ApiShowOne):
    """Create a region: a place where clouds are, and conductors near them."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("name", help="Name of the region.")
        parser.add_argument("--description", help="What the region is.")
        add_enabled_options(parser, "Conductors work for it (default).", "Nobody works for it.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = {
            "name": parsed_args.name,
            "description": parsed_args.description,
            "enabled": parsed_args.enabled is not False,
        }
        return one(self.api.post("/regions", {"region": body})["region"], _FIELDS)


class UpdateRegion(ApiShowOne):
    """Change a region."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the region.")
        parser.add_argument("--name", help="New name of the region.")
        parser.add_argument("--description", help="What the region is.")
        add_enabled_options(parser, "Conductors work for it.", "Nobody works for it.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Columns:
        body = given(name=parsed_args.name, description=parsed_args.description, enabled=parsed_args.enabled)
        if not body:
            raise InvalidInput(
                message="Nothing to change: give --name, --description, --enabled or --disabled."
            )
        return one(self.api.put(_path(self.api, parsed_args.id), {"region": body})["region"], _FIELDS)


class DeleteRegion(ApiCommand):
    """Delete a region that no service and no endpoint is mapped to."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help="Name or id of the region.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.api.delete(_path(self.api, parsed_args.id))
