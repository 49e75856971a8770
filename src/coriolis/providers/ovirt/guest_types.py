"""The engine's OS type for what OSMorphing found on the disks."""

import re
from collections.abc import Collection

from coriolis.model.enums import OsType
from coriolis.model.replica import DetectedOs

# Rebuilds of RHEL run as the rhel_N type of their major release.
_RHEL_LIKE = frozenset(
    {"rhel", "redhat", "centos", "ol", "oracle", "almalinux", "rocky", "scientific", "eurolinux"}
)
_OTHERS = {
    "sles": ("sles_11",),
    "sles_sap": ("sles_11",),
    "suse": ("sles_11",),
    "rhcos": ("rhcos_x64",),
    "freebsd": ("freebsdx64",),
}
# Newest first: a release that the engine does not know yet runs as the one before it.
_WINDOWS_SERVERS = (
    ("2025", "windows_2025"),
    ("2022", "windows_2022"),
    ("2019", "windows_2019x64"),
    ("2016", "windows_2016x64"),
    ("2012 R2", "windows_2012R2x64"),
    ("2012", "windows_2012x64"),
    ("2008 R2", "windows_2008R2x64"),
    ("2008", "windows_2008x64"),
    ("2003", "windows_2003x64"),
)
_WINDOWS_DESKTOPS = (
    ("11", "windows_11"),
    ("10", "windows_10x64"),
    ("8", "windows_8x64"),
    ("7", "windows_7x64"),
    ("XP", "windows_xp"),
)


def os_release(detected: DetectedOs | None, os_type: OsType, known: Collection[str]) -> str:
    """The nearest of the `known` names of this engine; an older one refuses the newer types."""
    fallback = "other_linux" if os_type == OsType.LINUX else "other"
    wanted = _candidates(detected) if detected is not None else ()
    return next((name for name in wanted if name in known), fallback)


def _candidates(detected: DetectedOs) -> tuple[str, ...]:
    if detected.os_type == OsType.WINDOWS:
        return _windows(f"{detected.friendly_name} {detected.version}")
    name = detected.distribution.lower()
    numbers = re.findall(r"\d+", detected.version)
    major = int(numbers[0]) if numbers else 0
    if name in _RHEL_LIKE:
        return (f"rhel_{major}x64",)
    if name == "debian":
        return ("debian_9", "debian_7") if major >= 9 or not major else ("debian_7",)
    if name == "ubuntu":
        return _ubuntu(major)
    return _OTHERS.get(name, ())


def _ubuntu(major: int) -> tuple[str, ...]:
    types = ("ubuntu_18_04", "ubuntu_14_04", "ubuntu_12_04")
    if major >= 18 or not major:
        return types
    return types[1:] if major >= 14 else types[2:]


def _windows(named: str) -> tuple[str, ...]:
    """`named`: e.g. "Windows Server 2019 Datacenter 10.0.17763"; a desktop's number stands behind its name."""
    table = _WINDOWS_SERVERS if "server" in named.lower() else _WINDOWS_DESKTOPS
    for place, (words, _) in enumerate(table):
        if re.search(rf"(Windows|Server)\s+{words}\b", named, re.IGNORECASE):
            return tuple(type_ for _, type_ in table[place:])
    return ()
