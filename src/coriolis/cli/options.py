"""Options that several commands share, and how their texts become JSON."""

import argparse
import json
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from coriolis.errors import InvalidInput

STDIN = "-"


def add_json_option(parser: argparse.ArgumentParser, name: str, text: str, *, short: str = "") -> None:
    """`--name JSON` or `--name-file PATH`, of which one may be given."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(f"--{name}", metavar="JSON", help=f"{text}, as JSON.")
    group.add_argument(
        f"--{name}-file", metavar="PATH", help=f"File with the same ('{STDIN}' reads standard input).{short}"
    )


def read_json_option(parsed: argparse.Namespace, name: str) -> dict[str, Any] | None:
    """The object of --NAME or --NAME-file, None without either. Raises InvalidInput naming the option."""
    field = name.replace("-", "_")
    text: str | None = getattr(parsed, field)
    path: str | None = getattr(parsed, f"{field}_file")
    if text is not None:
        return parse_object(f"--{name}", text)
    if path is not None:
        return parse_object(f"--{name}-file {path}", read_text(f"--{name}-file", path))
    return None


def read_text(option: str, path: str) -> str:
    if path == STDIN:
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(message=f"{option}: cannot read {path!r}: {reason}.") from error


def parse_object(option: str, text: str) -> dict[str, Any]:
    """Never quotes the text itself: it may hold a password."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InvalidInput(message=f"{option} is not valid JSON: {error.msg} at {where}.") from error
    if not isinstance(value, dict):
        raise InvalidInput(message=f"{option} must be a JSON object ({{...}}), not a {_json_type(value)}.")
    return value


def parse_pairs(option: str, items: Iterable[str] | None, meaning: str) -> dict[str, str]:
    """["a=b", ...] of a repeatable option. `meaning` is how the help writes one, e.g. "INSTANCE=POOL"."""
    pairs: dict[str, str] = {}
    for item in items or ():
        key, separator, value = item.partition("=")
        if not (separator and key and value):
            raise InvalidInput(message=f"{option} {item!r} is not of the form {meaning}.")
        pairs[key] = value
    return pairs


def add_environment_option(parser: argparse.ArgumentParser) -> None:
    add_json_option(parser, "environment", "Environment that the endpoint is looked at with")


def environment_query(parsed: argparse.Namespace) -> dict[str, Any]:
    """`env` of a query: URL-safe base64 of the JSON."""
    env = read_json_option(parsed, "environment")
    return {} if env is None else {"env": encode_json(env)}


def encode_json(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def add_paging_options(parser: argparse.ArgumentParser, *, status: bool = True) -> None:
    parser.add_argument("--marker", help="Id of the last object of the previous page.")
    parser.add_argument("--limit", type=int, help="How many objects to list at most.")
    parser.add_argument(
        "--sort",
        metavar="KEY[:DIRECTION]",
        action="append",
        help="Sort by KEY, asc or desc. Can be repeated.",
    )
    if status:
        parser.add_argument("--status", help="Only objects with this status.")


def paging_query(parsed: argparse.Namespace) -> dict[str, Any]:
    keys, directions = [], []
    for sort in ",".join(parsed.sort or ()).split(",") if parsed.sort else ():
        key, _, direction = sort.partition(":")
        if not key or direction not in ("", "asc", "desc"):
            raise InvalidInput(message=f"--sort {sort!r} is not of the form KEY[:asc|:desc].")
        keys.append(key)
        directions.append(direction or "asc")
    return {
        "marker": parsed.marker,
        "limit": parsed.limit,
        "sort_key": keys,
        "sort_dir": directions,
        "status": parsed.status,
    }


def add_enabled_options(parser: argparse.ArgumentParser, enabled: str, disabled: str) -> None:
    """`enabled` in the namespace: True, False, or None where neither was given."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--enabled", action="store_const", const=True, dest="enabled", help=enabled)
    which.add_argument("--disabled", action="store_const", const=False, dest="enabled", help=disabled)


def add_region_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--coriolis-region",
        action="append",
        dest="regions",
        metavar="REGION",
        help="Name or id of a region. Can be repeated.",
    )


def add_bandwidth_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bandwidth-limit",
        metavar="LIMIT",
        help="Bytes a second on the wire, e.g. '08:00-18:00 50 MiB/s, 200 MiB/s' (UTC); unlimited; default: as the "
        "settings say. Runs under way follow a change within seconds.",
    )


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given at all: an update sends no others."""
    return {name: value for name, value in fields.items() if value is not None}


def read_user_scripts(parsed: argparse.Namespace) -> dict[str, Any] | None:
    """{"global": {os type: script}, "instances": {name: script}}; None where no script was given."""
    if not (parsed.global_scripts or parsed.instance_scripts):
        return None
    return {
        "global": _read_scripts("--user-script-global", parsed.global_scripts, "OS_TYPE=PATH"),
        "instances": _read_scripts("--user-script-instance", parsed.instance_scripts, "INSTANCE=PATH"),
    }


def add_user_script_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--user-script-global",
        action="append",
        dest="global_scripts",
        metavar="OS_TYPE=PATH",
        help="Script run in every guest of that OS type (linux, windows). Can be repeated.",
    )
    parser.add_argument(
        "--user-script-instance",
        action="append",
        dest="instance_scripts",
        metavar="INSTANCE=PATH",
        help="Script run in that instance's guest. Can be repeated.",
    )


def add_pool_mapping_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--osmorphing-minion-pool-mapping",
        action="append",
        dest="instance_osmorphing_minion_pool_mappings",
        metavar="INSTANCE=POOL",
        help="Minion pool that morphs that instance. Can be repeated.",
    )


def read_pool_mapping(parsed: argparse.Namespace) -> dict[str, str] | None:
    items = parsed.instance_osmorphing_minion_pool_mappings
    return parse_pairs("--osmorphing-minion-pool-mapping", items, "INSTANCE=POOL") if items else None


def _read_scripts(option: str, items: Iterable[str] | None, meaning: str) -> Mapping[str, str]:
    return {key: read_text(option, path) for key, path in parse_pairs(option, items, meaning).items()}


def _json_type(value: Any) -> str:
    names = {str: "string", list: "list", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def add_morphing_options(parser: argparse.ArgumentParser) -> None:
    """What a deployment takes, whether a user makes it or a migration."""
    parser.add_argument(
        "--skip-os-morphing",
        action="store_true",
        default=None,
        help="Do not adapt the guest to the destination.",
    )
    add_user_script_options(parser)
    add_pool_mapping_option(parser)


def morphing_wishes(parsed: argparse.Namespace) -> dict[str, Any]:
    return {
        "skip_os_morphing": parsed.skip_os_morphing,
        "user_scripts": read_user_scripts(parsed),
        "instance_osmorphing_minion_pool_mappings": read_pool_mapping(parsed),
    }
