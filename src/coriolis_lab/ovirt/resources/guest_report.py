"""What the guest's agent tells of its system, beside its addresses: name, operating system, time zone, programs, and
which device a disk is.
"""

import re
from dataclasses import dataclass

from coriolis_lab.hypervisor.api import GuestSystem
from coriolis_lab.ovirt.launch import SHORT_SERIAL
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Vm
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.resources.statistics import java_id
from coriolis_lab.ovirt.web import ApiRoute, Call

_NUMBERS = re.compile(r"\d+")


def fields(vm: Vm) -> tuple[Element | None, ...]:
    """Of a VM whose agent answers."""
    system = vm.run.system if vm.run else None
    if system is None:
        return ()
    windows = system.system_id == "mswindows"
    return (
        leaf("fqdn", system.host_name or None),
        struct(
            "guest_operating_system",
            leaf("architecture", system.machine),
            leaf("codename", ""),
            leaf("distribution", system.system),
            leaf("family", "Windows" if windows else "Linux"),
            struct("kernel", _version(system.kernel, ("major", "minor", "build", "revision"))),
            _version(system.version, ("major", "minor")),
        ),
        struct(
            "guest_time_zone", leaf("name", system.time_zone), leaf("utc_offset", _offset(system.utc_offset))
        ),
    )


def _version(text: str, parts: tuple[str, ...]) -> Element:
    """As many of its numbers as there are names."""
    numbers = dict(zip(parts, _NUMBERS.findall(text), strict=False))
    names = ("build", "full_version", "major", "minor", "revision")
    return struct("version", *(leaf(name, {**numbers, "full_version": text}.get(name)) for name in names))


def _offset(seconds: int) -> str:
    """3600 as +01:00."""
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def logical_name(vm: Vm, disk_id: str) -> str | None:
    """The device of a disk in the guest: its serial is the disk's id, of which some buses show the beginning."""
    system = vm.run.system if vm.run else None
    for serial, device in (system.disks if system else {}).items():
        if serial.endswith((disk_id, disk_id[:SHORT_SERIAL])):
            return device
    return None


@dataclass(frozen=True)
class Application:
    """A program in the guest that the host cares for."""

    vm: Vm
    name: str

    @property
    def id(self) -> str:
        return java_id(self.name)


def _applications(call: Call) -> list[Application]:
    vm = call.engine.vm(call.ids["vm"])
    system = vm.run.system if vm.run else None
    return [Application(vm, name) for name in _programs(system)] if system else []


def _programs(system: GuestSystem) -> list[str]:
    programs = (("kernel", system.kernel), ("qemu-guest-agent", system.agent_version))
    return [f"{name}-{version}" for name, version in programs if version]


def _render(_call: Call, one: Application) -> Element:
    path = f"vms/{one.vm.id}/applications/{one.id}"
    return entity("application", path, one.id, reference("vm", "vms", one.vm.id), name=one.name)


ROUTES: list[ApiRoute] = [*catalog("vms/{vm}/applications", "applications", _applications, _render)]
