"""limit and marker."""

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import urlencode

from coriolis_lab.openstack.web import ApiError, Call, Json

Item = TypeVar("Item")
MAX_LIMIT = 1000  # osapi_max_limit of Nova and Cinder
_KINDS = {"snapshots": "Snapshot", "backups": "Backup"}  # Cinder's, besides volumes


def page(
    call: Call, items: Sequence[Item], ids: Sequence[str], maximum: int = MAX_LIMIT
) -> tuple[list[Item], bool]:
    """The items after `marker`, at most `limit` of them, and whether the client should ask for more (a full
    page was asked for: like the real services, without looking whether anything follows)."""
    limit = _limit(call, maximum)
    start = 0
    marker = call.query.get("marker")
    if marker:
        if marker not in ids:
            raise _lost(call, marker)
        start = ids.index(marker) + 1
    shown = list(items[start : start + limit])
    asked = "limit" in call.query or len(shown) == maximum
    return shown, asked and limit > 0 and len(shown) == limit


def _limit(call: Call, maximum: int) -> int:
    text = call.query.get("limit")
    if text is None:
        return maximum
    if not text.isdigit():
        words = "limit param must be an integer"
        if call.path.startswith("/compute/"):
            words = (
                f"Invalid input for query parameters limit. Value: {text}. '{text}' does not match '^[0-9]*$'"
            )
        raise ApiError(400, words)
    return min(int(text), maximum) or maximum


def _lost(call: Call, marker: str) -> ApiError:
    if call.path.startswith("/volume/"):
        kind = next((name for path, name in _KINDS.items() if f"/{path}" in call.path), "Volume")
        return ApiError(404, f"{kind} {marker} could not be found.", f"{kind}NotFound")
    if call.path.startswith("/image/"):
        return ApiError(400, f"No image found with ID {marker}")
    return ApiError(400, f"marker [{marker}] not found")


def next_link(call: Call, last_id: str) -> list[Json]:
    query = {key: value for key, value in call.query.multi_items() if key != "marker"}
    return [{"rel": "next", "href": f"{call.base}{call.path}?{urlencode({**query, 'marker': last_id})}"}]
