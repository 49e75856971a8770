"""Following what runs, whatever kind of record it is: an execution, a deployment, a migration."""

from collections.abc import Callable, Mapping
from typing import Any

from coriolis.cli.client import ApiClient
from coriolis.cli.watch import Watched, watch
from coriolis.errors import NotFound


def follow(
    api: ApiClient,
    path: str,
    noun: str,
    title: Callable[[Mapping[str, Any]], str],
    *,
    status: str = "status",
    on_stdout: bool = False,
) -> tuple[int, dict[str, Any]]:
    """Until its end. `noun`: the key of the record in the answer; `status`: that of its status in the record. Returns
    the exit code and the finished record."""

    def read() -> Watched:
        record = api.get(path)[noun]
        return Watched(
            title=title(record),
            status=record[status],
            tasks=record["tasks"],
            queue_position=record.get("queue_position"),
            queue_reason=record.get("queue_reason") or "",
        )

    code = watch(read, on_stdout=on_stdout)
    return code, api.get(path)[noun]


def last_of_transfer(api: ApiClient, path: str, noun: str, transfer: str) -> str:
    """The id of the newest record of a numbered collection. Raises NotFound when it is empty."""
    query = {"limit": 1, "sort_key": "number", "sort_dir": "desc"}
    found = api.get(path, **query)[f"{noun}s"]
    if not found:
        raise NotFound(kind=f"{noun.capitalize()} of transfer", name=transfer)
    last: str = found[0]["id"]
    return last
