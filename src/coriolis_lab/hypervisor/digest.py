"""SHA-256 of what a guest would read from a chain of layers."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO

from coriolis.runner import run
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.hypervisor.layers import Layer

_CHUNK = 4 * 1024 * 1024
_ZEROS = bytes(_CHUNK)


def layer_digest(top: Layer) -> str:
    """Reads the data where the layers hold them: nothing is converted and no copy is made."""
    extents = json.loads(
        run(["qemu-img", "map", "--output=json", "-f", top.format, top.path], timeout=600).stdout
    )
    digest = hashlib.sha256()
    with ExitStack() as stack:
        files = [stack.enter_context(layer.path.open("rb")) for layer in top.chain]
        for extent in extents:
            _hash_extent(digest, extent, top, files)
    return digest.hexdigest()


def _hash_extent(
    digest: "hashlib._Hash", extent: Mapping[str, Any], top: Layer, files: Sequence[BinaryIO]
) -> None:
    left = int(extent["length"])
    if extent["zero"] or not extent["data"]:
        while left:
            step = min(left, _CHUNK)
            digest.update(_ZEROS if step == _CHUNK else _ZEROS[:step])
            left -= step
        return
    if "offset" not in extent:
        raise HypervisorError(f"{top.path} holds compressed data, which has no place of its own to read")
    file = files[int(extent["depth"])]
    file.seek(int(extent["offset"]))
    while left:
        # an extent may end behind the file's last byte, where a guest reads zeros
        data = file.read(min(left, _CHUNK)) or _ZEROS[: min(left, _CHUNK)]
        digest.update(data)
        left -= len(data)
