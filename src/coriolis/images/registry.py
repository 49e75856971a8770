"""The kinds of images, and how one is opened."""

from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from coriolis.agent.disk import DeviceError, Disk
from coriolis.model.image import ImageDisk

DRIVERS: dict[str, str] = {
    "cinder-backup": "coriolis.images.cinder_backup",
    "imageio": "coriolis.images.imageio",
    "rbd": "coriolis.images.rbd",
}
"""Modules by kind; imported when an image of that kind is opened, since some need libraries that not every host has."""

Parameters = TypeVar("Parameters")


@dataclass(frozen=True, slots=True)
class Opening:
    """What an image is opened for. `role` as in `coriolis.agent.main`. Where other hosts reach its storage too, a
    writer must see to it that none with a lower `token` for the same `scope` writes any more."""

    role: str
    scope: str
    token: int

    @property
    def writing(self) -> bool:
        return self.role == "writer"


def open_image(image: ImageDisk, opening: Opening) -> Disk:
    """Raises DeviceError, DiskUnavailableError and what the driver lets through of OSError."""
    if image.kind not in DRIVERS:
        raise DeviceError(f"no driver for images of kind {image.kind!r}")
    driver = import_module(DRIVERS[image.kind])
    opened: Disk = driver.open_image(image, opening)
    return opened


def parameters_of(image: ImageDisk, form: type[Parameters]) -> Parameters:
    """`form`: the driver's dataclass. Raises DeviceError."""
    try:
        return TypeAdapter(form).validate_python(dict(image.parameters))
    except ValidationError as error:
        raise DeviceError(f"parameters of {image.kind} image: {error}") from error
