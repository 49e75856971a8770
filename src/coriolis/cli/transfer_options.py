"""Options of `transfer create` and `transfer update`, and the request body that they make."""

import argparse
from typing import Any

from coriolis.cli.options import (
    add_bandwidth_option,
    add_json_option,
    add_pool_mapping_option,
    add_user_script_options,
    given,
    parse_pairs,
    read_json_option,
    read_pool_mapping,
    read_user_scripts,
)


def add_transfer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--notes", help="A note for people.")
    add_json_option(parser, "destination-environment", "How disks and VMs are made on the destination")
    add_json_option(parser, "network-map", "Source network to destination network")
    add_json_option(parser, "source-environment", "How disks are read on the source")
    _add_storage_options(parser)
    add_user_script_options(parser)
    parser.add_argument("--origin-minion-pool-id", metavar="POOL", help="Minion pool on the source.")
    parser.add_argument(
        "--destination-minion-pool-id", metavar="POOL", help="Minion pool on the destination."
    )
    add_pool_mapping_option(parser)
    add_bandwidth_option(parser)
    cloning = parser.add_mutually_exclusive_group()
    cloning.add_argument(
        "--clone-disks", action="store_true", default=None, help="Deploy copies of the replica disks."
    )
    cloning.add_argument(
        "--dont-clone-disks",
        action="store_false",
        dest="clone_disks",
        help="Deploy the replica disks themselves, where the destination can (oVirt); the next execution starts anew.",
    )
    morphing = parser.add_mutually_exclusive_group()
    morphing.add_argument(
        "--os-morphing",
        action="store_false",
        default=None,
        dest="skip_os_morphing",
        help="Adapt the guest to the destination.",
    )
    morphing.add_argument(
        "--skip-os-morphing",
        action="store_true",
        default=None,
        dest="skip_os_morphing",
        help="Leave it as it is.",
    )


def transfer_body(parsed: argparse.Namespace) -> dict[str, Any]:
    """Only what was given."""
    return given(
        notes=parsed.notes,
        destination_environment=read_json_option(parsed, "destination-environment"),
        network_map=read_json_option(parsed, "network-map"),
        source_environment=read_json_option(parsed, "source-environment"),
        storage_mappings=_storage_mappings(parsed),
        user_scripts=read_user_scripts(parsed),
        origin_minion_pool_id=parsed.origin_minion_pool_id,
        destination_minion_pool_id=parsed.destination_minion_pool_id,
        instance_osmorphing_minion_pool_mappings=read_pool_mapping(parsed),
        clone_disks=parsed.clone_disks,
        skip_os_morphing=parsed.skip_os_morphing,
        bandwidth_limit=parsed.bandwidth_limit,
    )


def _add_storage_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--default-storage-backend", metavar="BACKEND", help="Storage of disks not mapped otherwise."
    )
    parser.add_argument(
        "--disk-storage-mapping",
        action="append",
        dest="disk_storage_mappings",
        metavar="DISK=BACKEND",
        help="Storage of that disk. Can be repeated.",
    )
    parser.add_argument(
        "--storage-backend-mapping",
        action="append",
        dest="storage_backend_mappings",
        metavar="SOURCE=DESTINATION",
        help="Storage of the disks that lie on SOURCE. Can be repeated.",
    )


def _storage_mappings(parsed: argparse.Namespace) -> dict[str, Any] | None:
    disks = parse_pairs("--disk-storage-mapping", parsed.disk_storage_mappings, "DISK=BACKEND")
    backends = parse_pairs("--storage-backend-mapping", parsed.storage_backend_mappings, "SOURCE=DESTINATION")
    mappings = given(
        default=parsed.default_storage_backend,
        disk_mappings=[{"disk_id": disk, "destination": backend} for disk, backend in disks.items()] or None,
        backend_mappings=[{"source": source, "destination": target} for source, target in backends.items()]
        or None,
    )
    return mappings or None
