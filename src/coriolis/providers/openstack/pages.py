"""Listings of Nova and Cinder as plain JSON, page by page."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from openstack import exceptions


def read_pages(
    proxy: Any, path: str, key: str, query: Mapping[str, Any], *, microversion: str | None = None
) -> Iterator[dict[str, Any]]:
    """The items under `key`; a next page is asked for only once the one before it is used up.

    `proxy` is openstacksdk's of the service. Raises its exceptions.
    """
    asked = dict(query)
    while True:
        answer = proxy.get(path, params=asked, microversion=microversion)
        exceptions.raise_from_response(answer)
        body = answer.json()
        yield from body[key]
        following = next(
            (link["href"] for link in body.get(f"{key}_links", ()) if link["rel"] == "next"), None
        )
        if following is None:
            return
        asked["marker"] = parse_qs(urlsplit(following).query)["marker"][0]
