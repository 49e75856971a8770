"""The agent of one image. On stdin: the image (`coriolis.handover`), then frames as for every agent."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from coriolis.agent import fence
from coriolis.agent.disk import Disk
from coriolis.agent.fence import Fence
from coriolis.agent.main import speak
from coriolis.agent.pipes import StreamClosedError
from coriolis.handover import receive
from coriolis.images.registry import Opening, open_image
from coriolis.model.image import ImageDisk


def main() -> int:
    try:
        image = receive(0, ImageDisk)
    except StreamClosedError:
        return 0
    return speak(lambda role, options: _open(image, role, options))


def _open(image: ImageDisk, role: str, options: dict[str, Any]) -> Disk:
    """Earlier writers of this host are ended here; those of other hosts are the driver's matter."""
    opening = Opening(role, str(options["scope"]), int(options["token"]))
    if opening.writing:
        Fence(opening.scope, str(options["disk"]), opening.token, str(_fences())).take()
    return open_image(image, opening)


def _fences() -> Path:
    """In memory, and only ours: as root where the agents of workers have theirs."""
    if os.geteuid() == 0:
        return Path(fence.DIRECTORY)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return Path(runtime) / "coriolis-writers"
    return Path(tempfile.gettempdir()) / f"coriolis-writers-{os.geteuid()}"


if __name__ == "__main__":
    sys.exit(main())
