"""A disk's content as one qcow2 file, as a client that transfers a disk in its own format sends and gets it."""

import json
from pathlib import Path

from coriolis.errors import CommandFailed
from coriolis.runner import run
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.hypervisor.layers import Layer


def write_file(layer: Layer, path: Path) -> None:
    """All that a guest would read, without backing files."""
    _qemu_img("convert", "-q", "-f", layer.format, "-O", "qcow2", layer.path, path)


def read_file(path: Path, layer: Layer) -> None:
    """Replaces the layer's content. What a host refuses of an untrusted image is refused: no qcow2, a backing or
    data file, a size that does not fit.
    """
    info = json.loads(_qemu_img("info", "--output=json", path))
    if info["format"] != "qcow2":
        raise HypervisorError(f"the image's format is {info['format']}, not qcow2")
    if info.get("full-backing-filename") or info.get("format-specific", {}).get("data", {}).get("data-file"):
        raise HypervisorError("the image refers to another file")
    if info["virtual-size"] > layer.size:
        raise HypervisorError(
            f"the image has {info['virtual-size']} bytes, which the disk's {layer.size} cannot hold"
        )
    _qemu_img("convert", "-q", "-n", "-f", "qcow2", "-O", "qcow2", path, layer.path)


def _qemu_img(command: str, *arguments: str | Path) -> bytes:
    try:
        return run(["qemu-img", command, *arguments]).stdout
    except CommandFailed as error:
        raise HypervisorError(str(error)) from error
