"""Icons of VMs and templates: one large and one small, a plain tile each."""

import base64
import struct as binary
import zlib
from dataclasses import dataclass

from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call

GREY = 0x9E
LARGE_SIZE = (150, 120)
SMALL_SIZE = (43, 43)
LARGE_ID = "14ca85cd-8c70-9adf-2c69-884beb8ac3fb"
SMALL_ID = "8ebc8e0c-38a3-ff89-b043-1e5ec6e4c9a3"


@dataclass(frozen=True)
class Icon:
    id: str
    size: tuple[int, int]

    @property
    def png(self) -> bytes:
        """8-bit greyscale, each line with filter 0."""
        width, height = self.size
        header = binary.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        lines = (b"\0" + bytes([GREY]) * width) * height
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return binary.pack(">I", len(data)) + kind + data + binary.pack(">I", zlib.crc32(kind + data))


ICONS = (Icon(LARGE_ID, LARGE_SIZE), Icon(SMALL_ID, SMALL_SIZE))


def references() -> tuple[Element, Element]:
    """What a VM says of its icons."""
    return reference("large_icon", "icons", LARGE_ID), reference("small_icon", "icons", SMALL_ID)


def _render(_call: Call, icon: Icon) -> Element:
    data = base64.b64encode(icon.png).decode()
    return entity("icon", f"icons/{icon.id}", icon.id, leaf("data", data), leaf("media_type", "image/png"))


ROUTES: list[ApiRoute] = [*catalog("icons", "icons", lambda _call: ICONS, _render)]
