"""/etc/fstab: reading it, finding the devices it names, and freeing it from names that the old cloud gave."""

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coriolis.morphing.guest.block_devices import BlockDevice

NO_DISK = (
    "proc",
    "sysfs",
    "tmpfs",
    "devtmpfs",
    "devpts",
    "nfs",
    "nfs4",
    "cifs",
    "swap",
    "none",
    "overlay",
    "bind",
)
# sda1, vdb, xvda2, hdc3 and nvme0n1p2, mmcblk0p1: a letter or number for the disk, a number for the partition
_OLD_NAME = re.compile(
    r"^/dev/(?:(?:sd|hd|vd|xvd)(?P<letter>[a-z])(?P<part>\d*)"
    r"|nvme(?P<nvme>\d+)n1(?:p(?P<nvme_part>\d+))?|mmcblk(?P<mmc>\d+)(?:p(?P<mmc_part>\d+))?)$"
)
_TAGS = {
    "UUID": "uuid",
    "LABEL": "label",
    "PARTUUID": "partition_uuid",
    "PARTLABEL": "partition_label",
}


class Line(NamedTuple):
    """One mount. `spec` is the first field, e.g. UUID=... or /dev/sda1."""

    spec: str
    mount_point: str
    kind: str
    options: "tuple[str, ...]"

    @property
    def is_mount_of_disk(self) -> bool:
        return (
            self.mount_point.startswith("/")
            and self.kind not in NO_DISK
            and "noauto" not in self.options
            and "bind" not in self.options
            and ":" not in self.spec
            and not self.spec.startswith("//")
        )


def parse(text: str) -> "list[Line]":
    lines = []
    for raw in text.splitlines():
        fields = raw.split()
        if len(fields) >= 3 and not fields[0].startswith("#"):
            options = tuple(fields[3].split(",")) if len(fields) > 3 else ()
            lines.append(Line(fields[0], _unescaped(fields[1]), fields[2], options))
    return lines


def find_device(spec: str, devices: "Iterable[BlockDevice]") -> "BlockDevice | None":
    """The device that a specification meant on the old cloud.

    Kernel names (/dev/sdb1) were given in the order of the disks; /dev/mapper and /dev/VG/LV names move with
    the guest.
    """
    devices = list(devices)
    tag, _, value = spec.partition("=")
    if tag in _TAGS:
        return _by_tag(_TAGS[tag], value.strip("\"'"), devices)
    match = re.match(r"^/dev/disk/by-(uuid|label|partuuid|partlabel)/(.+)$", spec)
    if match:
        return _by_tag(_TAGS[match.group(1).upper()], match.group(2), devices)
    old = _OLD_NAME.match(spec)
    if old:
        number = old.group("nvme") or old.group("mmc")
        index = int(number) if number else ord(old.group("letter")) - ord("a")
        part = old.group("part") or old.group("nvme_part") or old.group("mmc_part")
        wanted = (index, int(part) if part else None)
        return next((d for d in devices if (d.disk_index, d.partition) == wanted), None)
    paths = {spec, mapper_path(spec)}
    return next((device for device in devices if device.path in paths), None)


def mapper_path(spec: str) -> str:
    """/dev/mapper/vg-lv of /dev/vg/lv (dashes inside names are doubled)."""
    match = re.match(r"^/dev/([^/]+)/([^/]+)$", spec)
    if not match or match.group(1) in ("mapper", "disk"):
        return spec
    return "/dev/mapper/{}-{}".format(*(name.replace("-", "--") for name in match.groups()))


def is_old_name(spec: str) -> bool:
    return _OLD_NAME.match(spec) is not None


def stable_name(spec: str, devices: "Iterable[BlockDevice]") -> "str | None":
    """UUID=... for a kernel name whose device is known; None where nothing is to be changed or known."""
    if not is_old_name(spec):
        return None
    device = find_device(spec, devices)
    return "UUID=" + device.uuid if device is not None and device.uuid else None


def rewritten(text: str, devices: "Iterable[BlockDevice]") -> "tuple[str, list[str]]":
    """The text with stable names, spacing and comments as they were, and the old names that stay unknown."""
    devices = list(devices)
    result, unknown = [], []
    for raw in text.splitlines(keepends=True):
        match = re.match(r"^(\s*)([^\s#]\S*)(\s.*)$", raw, re.DOTALL)
        if match and is_old_name(match.group(2)):
            name = stable_name(match.group(2), devices)
            if name is None:
                unknown.append(match.group(2))
            else:
                result.append(match.group(1) + name + match.group(3))
                continue
        result.append(raw)
    return "".join(result), unknown


def _by_tag(field: str, value: str, devices: "list[BlockDevice]") -> "BlockDevice | None":
    if not value:
        return None
    if field in ("uuid", "partition_uuid"):  # vfat's and GPT's are written in either case
        value = value.lower()
        return next((d for d in devices if getattr(d, field).lower() == value), None)
    return next((d for d in devices if getattr(d, field) == value), None)


def _unescaped(mount_point: str) -> str:
    return mount_point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
