"""The config drive: an ISO 9660 image labelled config-2."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from coriolis.runner import run


def write_config_drive(files: Mapping[str, bytes], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        tree = Path(scratch)
        for name, content in files.items():
            path = tree / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        run(["genisoimage", "-quiet", "-V", "config-2", "-J", "-R", "-o", target, tree])
