"""The guest-side program as it is sent: its modules in the order of their imports, and the job in JSON."""

import ast
import json
import struct
from graphlib import TopologicalSorter
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from coriolis.morphing.job import MorphJob
from coriolis.workers.remote_python import bundle

PACKAGE = "coriolis.morphing.guest"
_MAIN = "main"


def program_bytes(job: MorphJob) -> bytes:
    """What the worker's boot lines read (coriolis.workers.remote_python), followed by the job."""
    text = json.dumps(_job_document(job)).encode()
    return bundle(PACKAGE, module_order(), _MAIN) + struct.pack("!I", len(text)) + text


def module_order() -> list[str]:
    """Every module of the package, each after those that it imports when it is executed."""
    modules = {Path(file.name).stem: file for file in resources.files(PACKAGE).iterdir() if _is_module(file)}
    return list(TopologicalSorter({name: _imports(file) for name, file in modules.items()}).static_order())


def _is_module(file: Traversable) -> bool:
    return file.name.endswith(".py") and file.name != "__init__.py"


def _imports(file: Traversable) -> set[str]:
    """Names of sibling modules in the import statements at the top level (those for type checkers are
    deeper)."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE + "."):
            found.add(str(node.module)[len(PACKAGE) + 1 :])
    return found


def _job_document(job: MorphJob) -> dict[str, Any]:
    profile = job.profile
    return {
        "disks": [{"disk_id": d.disk_id, "serial": d.serial, "size_bytes": d.size_bytes} for d in job.disks],
        "firmware": job.firmware.value,
        "profile": {
            "drivers": profile.drivers,
            "install": profile.install,
            "remove": profile.remove,
            "dhcp": profile.dhcp,
            "mac_addresses": profile.mac_addresses,
        },
        # names only: the guest-side program asks for the files that its guest lacks
        "offered": {name: list(files) for name, files in offered_packages(job.offline_packages_dir).items()},
        "scripts": job.user_scripts,
        "timeout": job.timeout,
        "token": job.token,
    }


def offered_packages(directory: Path | None) -> dict[str, dict[str, Path]]:
    """{package set: {file name: path}} of DIRECTORY/debian-12/*.deb and its like."""
    if directory is None or not directory.is_dir():
        return {}
    return {
        package_set.name: {file.name: file for file in sorted(package_set.glob("*.deb"))}
        for package_set in sorted(directory.iterdir())
        if package_set.is_dir()
    }
