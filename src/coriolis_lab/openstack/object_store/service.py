"""Swift v1: account, containers and objects; byte ranges, listings by marker, dynamic large objects."""

import re
from collections.abc import Iterable
from email.utils import format_datetime
from urllib.parse import unquote

from coriolis_lab.openstack.object_store.records import Account, StoredObject
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, Service, html_page

_LISTED = 10000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def _account(call: Call) -> Account:
    if call.ids["account"] != f"AUTH_{call.project_id}" and not call.is_admin:
        raise ApiError(403, "Access was denied to this resource.", "Forbidden")
    return call.cloud.account(call.ids["account"].removeprefix("AUTH_"))


def _container(call: Call) -> dict[str, StoredObject]:
    found = _account(call).containers.get(call.ids["container"])
    if found is None:
        raise _lost()
    return found


def _lost() -> ApiError:
    return ApiError(404, "The resource could not be found.", "NotFound")


def _page(call: Call, names: Iterable[str]) -> list[str]:
    limit = min(int(call.query.get("limit", _LISTED)), _LISTED)
    prefix, marker = call.query.get("prefix", ""), call.query.get("marker", "")
    end = call.query.get("end_marker", "")
    chosen = sorted(n for n in names if n.startswith(prefix) and n > marker and (not end or n < end))
    return chosen[:limit]


def _listing(call: Call, names: list[str], rows: list[Json], headers: dict[str, str]) -> Reply:
    if "json" in (call.query.get("format") or call.accept):
        return Reply(rows, headers=headers)
    if not names:
        return Reply(None, 204, headers)
    return Reply("".join(f"{name}\n" for name in names).encode(), headers={**headers, **_TEXT})


def _show_account(call: Call) -> Reply:
    containers = _account(call).containers
    names = _page(call, containers)
    rows = [{"name": n, "count": len(containers[n]), "bytes": _bytes(containers[n])} for n in names]
    headers = {
        "X-Account-Container-Count": str(len(containers)),
        "X-Account-Object-Count": str(sum(len(held) for held in containers.values())),
        "X-Account-Bytes-Used": str(sum(_bytes(held) for held in containers.values())),
    }
    return _listing(call, names, rows, headers)


def _bytes(objects: dict[str, StoredObject]) -> int:
    return sum(len(stored.data) for stored in objects.values())


def _show_container(call: Call) -> Reply:
    objects = _container(call)
    names = _page(call, objects)
    rows: list[Json] = [
        {
            "name": name,
            "bytes": len(objects[name].data),
            "hash": objects[name].etag,
            "content_type": objects[name].content_type,
            "last_modified": objects[name].modified.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        }
        for name in names
    ]
    headers = {
        "X-Container-Object-Count": str(len(objects)),
        "X-Container-Bytes-Used": str(_bytes(objects)),
    }
    return _listing(call, names, rows, headers)


def _make_container(call: Call) -> Reply:
    containers = _account(call).containers
    status = 202 if call.ids["container"] in containers else 201
    containers.setdefault(call.ids["container"], {})
    return Reply(None, status)


def _drop_container(call: Call) -> Reply:
    if _container(call):
        raise ApiError(409, "There was a conflict when trying to complete your request.", "Conflict")
    del _account(call).containers[call.ids["container"]]
    return Reply(None, 204)


def _content(call: Call, stored: StoredObject) -> bytes:
    """Of a dynamic large object: its segments, in the order of their names."""
    if not stored.manifest:
        return stored.data
    container, _, prefix = unquote(stored.manifest).partition("/")
    segments = _account(call).containers.get(container, {})
    return b"".join(segments[name].data for name in sorted(segments) if name.startswith(prefix))


def _get(call: Call) -> Reply:
    stored = _container(call).get(call.ids["name"])
    if stored is None:
        raise _lost()
    data = _content(call, stored)
    headers = {
        "Content-Type": stored.content_type,
        "ETag": stored.etag,
        "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(stored.modified, usegmt=True),
    }
    if stored.manifest:
        headers["X-Object-Manifest"] = stored.manifest
    asked = _RANGE.fullmatch(call.headers.get("range", ""))
    if asked is None or not (asked[1] or asked[2]):
        return Reply(data, headers=headers)
    start = int(asked[1]) if asked[1] else max(0, len(data) - int(asked[2]))
    end = min(int(asked[2]) + 1, len(data)) if asked[1] and asked[2] else len(data)
    if start >= len(data) or end <= start:
        words = "The Range requested is not available."
        raise ApiError(416, words, "", {"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return Reply(data[start:end], 206, headers)


def _put(call: Call) -> Reply:
    data = call.body if isinstance(call.body, bytes) else b""
    content_type = call.headers.get("content-type", "application/octet-stream")
    stored = StoredObject(data, call.headers.get("x-object-manifest", ""), content_type)
    if call.headers.get("etag", stored.etag) != stored.etag:
        raise ApiError(422, "Unable to process the contained instructions", "")
    _container(call)[call.ids["name"]] = stored
    return Reply(None, 201, {"ETag": stored.etag})


def _drop(call: Call) -> Reply:
    if _container(call).pop(call.ids["name"], None) is None:
        raise _lost()
    return Reply(None, 204)


def _render(error: ApiError) -> str:
    return html_page(error.status, error.message)


_ACCOUNT = "/v1/{account}"
_CONTAINER = f"{_ACCOUNT}/{{container}}"
_OBJECT = f"{_CONTAINER}/{{name:path}}"

SERVICE = Service(
    prefix="/object-store",
    routes=[
        Route("GET", _ACCOUNT, _show_account),
        Route("GET", f"{_ACCOUNT}/", _show_account),
        Route("GET", _CONTAINER, _show_container),
        Route("GET", f"{_CONTAINER}/", _show_container),
        Route("PUT", _CONTAINER, _make_container),
        Route("DELETE", _CONTAINER, _drop_container),
        Route("GET", _OBJECT, _get),
        Route("PUT", _OBJECT, _put),
        Route("DELETE", _OBJECT, _drop),
    ],
    render=_render,
    raw_bodies=True,
)
