"""What the conductor asks for, as it arrives in JSON."""

import json
from typing import NamedTuple


class GuestDisk(NamedTuple):
    disk_id: str
    serial: str
    size_bytes: int


class Wanted(NamedTuple):
    """What the destination wants of the guest; see coriolis.model.morphing.MorphingProfile."""

    drivers: "tuple[str, ...]" = ()
    install: "tuple[str, ...]" = ()
    remove: "tuple[str, ...]" = ()
    dhcp: bool = True
    mac_addresses: "tuple[str, ...]" = ()
    efi: bool = False
    first_boot_scripts: "tuple[str, ...]" = ()


class GuestJob(NamedTuple):
    """`offered` maps the name of a package set ("debian-12") to file names like libuv1_1.44.2-1_amd64.deb.

    `scripts` are (phase, text)."""

    disks: "tuple[GuestDisk, ...]"
    wanted: Wanted
    offered: "dict[str, tuple[str, ...]]"
    scripts: "tuple[tuple[str, str], ...]"
    timeout: float
    token: int

    def scripts_of(self, phase: str) -> "tuple[str, ...]":
        return tuple(text for name, text in self.scripts if name == phase)


def parse_job(text: "str | bytes") -> GuestJob:
    document = json.loads(text if isinstance(text, str) else text.decode())
    profile = document["profile"]
    scripts = tuple((phase, script) for phase, script in document["scripts"])
    wanted = Wanted(
        drivers=tuple(name.replace("-", "_") for name in profile["drivers"]),
        install=tuple(profile["install"]),
        remove=tuple(profile["remove"]),
        dhcp=bool(profile["dhcp"]),
        mac_addresses=tuple(address.lower() for address in profile["mac_addresses"]),
        efi=document["firmware"] == "EFI",
        first_boot_scripts=tuple(script for phase, script in scripts if phase == "replica_first_boot"),
    )
    return GuestJob(
        disks=tuple(GuestDisk(d["disk_id"], d["serial"], d["size_bytes"]) for d in document["disks"]),
        wanted=wanted,
        offered={name: tuple(files) for name, files in document["offered"].items()},
        scripts=scripts,
        timeout=float(document["timeout"]),
        token=int(document["token"]),
    )
