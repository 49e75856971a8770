"""Images of Glance, alike for both versions of its API."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openstack import exceptions

from coriolis.providers.openstack.client import OpenStackClient

_PAGE = 1000  # api_limit_max of Glance; its own default is 25 an answer
_IDS_IN_A_QUERY = 50  # 37 characters each: well below the 8 KiB that web servers take as a request line
_V1_PREFIX = "x-image-meta-"


@dataclass(frozen=True, slots=True)
class Image:
    """`properties` holds the os_* and hw_* values. `min_disk_gb` in GiB; `virtual_size` in bytes, 0 where not told."""

    id: str
    name: str
    status: str
    min_disk_gb: int = 0
    virtual_size: int = 0
    properties: Mapping[str, str] = field(default_factory=dict)


class Images:
    """v1, which ended with OpenStack's Queens release, has the properties apart, cannot look several ids up, and
    answers GET with the image's data: what it knows about one image stands in the headers of HEAD."""

    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._is_v1 = client.info.glance_api_version == 1

    def get(self, image_id: str) -> Image | None:
        action = f"read image {image_id!r}"
        if self._is_v1:
            headers = self._client.optional(action, lambda: self._head(image_id))
            return None if headers is None else _from_headers(headers)
        found = self._client.optional(action, lambda: self._client.image.get_image(image_id))
        return None if found is None else _from_sdk(found)

    def delete(self, image_id: str) -> None:
        """To be wrapped in a call, like every request that is not idempotent."""
        self._client.image.delete_image(image_id, ignore_missing=False)

    def named(self, name: str) -> list[Image]:
        return self._list(name=name)

    def active(self) -> list[Image]:
        return self._list(status="active")

    def by_id(self, image_ids: Iterable[str]) -> dict[str, Image]:
        """Those that still exist, in as few requests as the API permits."""
        wanted = sorted(set(image_ids))
        if self._is_v1:
            return {image.id: image for image in self._list() if image.id in wanted} if wanted else {}
        found = (self._list(id=f"in:{','.join(ids)}") for ids in _batches(wanted))
        return {image.id: image for images in found for image in images}

    def _list(self, **query: str) -> list[Image]:
        listing = self._client.rows("list images", lambda: self._client.image.images(limit=_PAGE, **query))
        return [_from_sdk(image) for image in listing]

    def _head(self, image_id: str) -> Mapping[str, str]:
        answer = self._client.image.head(f"/images/{image_id}")
        exceptions.raise_from_response(answer)
        headers: Mapping[str, str] = answer.headers
        return headers


def _from_sdk(image: Any) -> Image:
    """The SDK spreads an image's properties over attributes, some under names of its own, and `properties`."""
    known = {
        k: v for k, v in image.to_dict(original_names=True).items() if v is not None and k != "properties"
    }
    properties = {**known, **(image.properties or {})}
    return Image(
        id=str(image.id),
        name=str(image.name or ""),
        status=str(image.status),
        min_disk_gb=int(image.min_disk or 0),
        virtual_size=int(known.get("virtual_size") or 0),
        properties={k: str(v) for k, v in properties.items() if isinstance(v, str | int | bool)},
    )


def _from_headers(headers: Mapping[str, str]) -> Image:
    known = {
        key.lower().removeprefix(_V1_PREFIX): value
        for key, value in headers.items()
        if key.lower().startswith(_V1_PREFIX)
    }
    mark = "property-"
    return Image(
        id=known.get("id", ""),
        name=known.get("name", ""),
        status=known.get("status", ""),
        min_disk_gb=int(known.get("min_disk") or 0),
        virtual_size=int(known.get("virtual_size") or 0),
        properties={key.removeprefix(mark): value for key, value in known.items() if key.startswith(mark)},
    )


def _batches(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _IDS_IN_A_QUERY):
        yield ids[start : start + _IDS_IN_A_QUERY]
