"""What this host is, for people who have to find a fault: releases, system, addresses."""

import json
import platform
import socket
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Any

from coriolis.errors import CommandFailed
from coriolis.runner import run


def release() -> str:
    try:
        return version("coriolis")
    except PackageNotFoundError:
        return "unknown"


@cache
def specs(application: str) -> dict[str, Any]:
    """Fields as clients know them: application, release_tag, hostname, ip_addresses, os_info, packages. As they were
    when the process first asked."""
    return {
        "application": application,
        "release_tag": release(),
        "hostname": socket.gethostname(),
        "ip_addresses": _addresses(),
        "os_info": [platform.system(), platform.release(), platform.version(), platform.machine()],
        "packages": _packages(),
    }


def _packages() -> list[str]:
    """What this was built on, with versions: "fastapi==0.115.0"."""
    try:
        required = distribution("coriolis").requires or []
    except PackageNotFoundError:
        return []
    names = [line.split(";")[0].strip() for line in required if "extra ==" not in line]
    found = []
    for name in sorted({_bare(name) for name in names}):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (missing)")
    return found


def _bare(requirement: str) -> str:
    end = next((i for i, char in enumerate(requirement) if char in "<>=!~[ ("), len(requirement))
    return requirement[:end]


def _addresses() -> list[dict[str, list[str]]]:
    """By interface. Empty where iproute2 is not installed."""
    try:
        links = json.loads(run(["ip", "-json", "address", "show"], timeout=5).stdout)
    except (CommandFailed, ValueError):
        return []
    return [{link["ifname"]: [a["local"] for a in link["addr_info"] if "local" in a]} for link in links]
