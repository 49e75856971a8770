"""coriolis provider list, provider schema list"""

import argparse

from coriolis.cli.base import ApiLister
from coriolis.cli.client import segment
from coriolis.cli.output import JsonColumn, Rows, TextColumn
from coriolis.model.enums import ProviderType

_SCHEMA_TYPES = {
    "connection": 16,
    "destination": 4,
    "source": 8,
    "source_minion_pool": 524288,
    "destination_minion_pool": 1048576,
}


class ListProviders(ApiLister):
    """List the platforms and what each of them can do."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Rows:
        platforms = self.api.get("/providers")["providers"]
        rows = [(name, _types(platforms[name]["types"])) for name in sorted(platforms)]
        return ("Platform", "Provider Types"), rows


class ListSchemas(ApiLister):
    """List the JSON schemas of a platform."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("platform", help="Platform, see `coriolis provider list`.")
        parser.add_argument("type", choices=_SCHEMA_TYPES, help="What the schema is of.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        path = f"/providers/{segment(parsed_args.platform)}/schemas/{_SCHEMA_TYPES[parsed_args.type]}"
        schemas = self.api.get(path)["schemas"]
        return ("Schema", "Definition"), [(name, JsonColumn(schemas[name])) for name in sorted(schemas)]


def _types(numbers: list[int]) -> TextColumn:
    return TextColumn(numbers, "\n".join(_type_name(number) for number in numbers))


def _type_name(number: int) -> str:
    """A server newer than this client may have more types than are known here."""
    return ProviderType(number).name.lower() if number in ProviderType.__members__.values() else str(number)
