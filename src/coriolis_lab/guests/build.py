"""The process that builds one recipe's images in a mount namespace of its own: `build ORDER.json
SCRATCH_DIRECTORY`.

The tree lives on a tmpfs, which is quick and vanishes with the namespace however the process ends. The
images (`SCRATCH/<name>.raw`) and the offline packages (`SCRATCH/packages`) are what is left.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coriolis.runner import run
from coriolis_lab.guests.disk_image import build_data_disk, build_system_disk
from coriolis_lab.guests.recipes import DataDisk, GuestFile, Layout, RootRecipe, SystemDisk
from coriolis_lab.guests.tree import install_tree

LOG = logging.getLogger("coriolis_lab.guests.build")


def main(arguments: list[str]) -> None:
    order, scratch = Path(arguments[0]), Path(arguments[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    memory = scratch / "memory"
    memory.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "mode=755,size=6g", "coriolis-lab", memory])
    fields = json.loads(order.read_text())
    began = time.monotonic()
    if "disks" in fields:
        _build_system_disks(_root_recipe(fields), scratch, memory)
    else:
        disk = _data_disk(fields)
        build_data_disk(disk, scratch / f"{disk.name}.raw", memory)
    run(["umount", memory])
    LOG.info("done after %.0f s", time.monotonic() - began)


def _build_system_disks(recipe: RootRecipe, scratch: Path, memory: Path) -> None:
    root = memory / "root"
    began = time.monotonic()
    install_tree(recipe, root, scratch / "packages")
    LOG.info("installed %d packages after %.0f s", len(recipe.packages), time.monotonic() - began)
    for disk in recipe.disks:
        build_system_disk(disk, root, recipe.kernel_command_line, scratch / f"{disk.name}.raw", memory)
        LOG.info("wrote %s after %.0f s", disk.name, time.monotonic() - began)


def _root_recipe(fields: Mapping[str, Any]) -> RootRecipe:
    disks = tuple(SystemDisk(d["name"], Layout(d["layout"]), d["size"]) for d in fields["disks"])
    return RootRecipe(
        name=fields["name"],
        packages=tuple(fields["packages"]),
        disks=disks,
        kernel_command_line=fields["kernel_command_line"],
        files=_files(fields["files"]),
        early_files=_files(fields["early_files"]),
        commands=tuple(fields["commands"]),
        offline_packages=tuple(fields["offline_packages"]),
    )


def _data_disk(fields: Mapping[str, Any]) -> DataDisk:
    return DataDisk(
        fields["name"], fields["label"], fields["size"], _files(fields["files"]), fields["random_files"]
    )


def _files(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, GuestFile]:
    return {name: GuestFile(file["content"], file["mode"]) for name, file in fields.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
