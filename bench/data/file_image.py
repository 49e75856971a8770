"""A driver of images for the bench: a file that the conductor opens itself, as it would an RBD image or a backup."""

from pathlib import Path

from coriolis.agent.block import BlockDisk
from coriolis.agent.disk import Disk
from coriolis.images.registry import Opening
from coriolis.model.image import ImageDisk
from coriolis.transfer.job import ImageEnd

KIND = "bench-file"
SITE = f"""
from coriolis.images import registry
registry.DRIVERS[{KIND!r}] = {__name__!r}
"""
"""A sitecustomize.py by which the processes of a run know the driver too."""


def open_image(image: ImageDisk, opening: Opening) -> Disk:
    return BlockDisk(image.parameters["path"], writing=opening.writing)


def end_of(path: Path) -> ImageEnd:
    return ImageEnd(ImageDisk("snapshot", path.stat().st_size, KIND, {"path": str(path)}))
