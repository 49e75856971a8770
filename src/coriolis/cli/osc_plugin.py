"""Plugin of the `openstack` client: `openstack coriolis transfer list`… with its session and catalog."""

import argparse
import os
from typing import Any

from coriolis.cli.client import ApiClient, EndpointChoice

API_NAME = "coriolis"
API_VERSION_OPTION = "os_coriolis_api_version"
API_VERSIONS = ("1",)
DEFAULT_API_VERSION = "1"


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--os-coriolis-api-version",
        metavar="<coriolis-api-version>",
        default=os.environ.get("CORIOLIS_API_VERSION", DEFAULT_API_VERSION),
        help="Coriolis API version (env: CORIOLIS_API_VERSION).",
    )
    parser.add_argument(
        "--os-coriolis-endpoint",
        metavar="<coriolis-url>",
        default=os.environ.get("CORIOLIS_ENDPOINT"),
        help="URL of the Coriolis API; from the catalog by default (env: CORIOLIS_ENDPOINT).",
    )
    return parser


def make_client(instance: Any) -> ApiClient:
    """`instance` is the ClientManager of osc-lib."""
    choice = EndpointChoice(
        override=instance.get_configuration().get("coriolis_endpoint"),
        interface=instance.interface or "public",
        region_name=instance.region_name or None,
    )
    return ApiClient(instance.session, choice)
