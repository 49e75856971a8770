"""The engine's OS type for what OSMorphing found on the disks."""

import re
from collections.abc import Collection

from coriolis.model.enums import OsType
from coriolis.model.replica import DetectedOs

# Rebuilds of RHEL run as the rhel_N type of their major release.
_RHEL_LIKE = frozenset(
    {"rhel", "redhat", "centos", "ol", "oracle", "almalinux", "rocky", "scientific", "eurolinux"}
)


def os_release(detected: DetectedOs | None, os_type: OsType, known: Collection[str]) -> str:
    """The nearest of the `known` names of this engine; an older one refuses the newer types."""
    fallback = "other_linux" if os_type == OsType.LINUX else "other"
    if detected is None:
        return fallback
    wanted = _by_distribution(detected)
    return wanted if wanted is not None and wanted in known else fallback


def _by_distribution(detected: DetectedOs) -> str | None:
    name = detected.distribution.lower()
    numbers = re.findall(r"\d+", detected.version)
    major = int(numbers[0]) if numbers else 0
    if name == "debian":
        return "debian_9" if major >= 9 or not major else "debian_7"
    if name == "ubuntu":
        return "ubuntu_18_04" if major >= 18 else "ubuntu_14_04"
    if name in _RHEL_LIKE:
        return f"rhel_{major}x64"
    if name in {"sles", "suse"}:
        return "sles_11"
    return None
