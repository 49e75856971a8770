"""Statistics: what the engine measures of hosts, VMs, disks and NICs.

Names, kinds, types, units and descriptions are those of recorded documents (hosts) and of the API's model; their
ids are the MD5 of the names, the same for every object. The lab knows sizes,
settings and what runs; loads and rates, which nobody measures here, are 0.
"""

import hashlib
import uuid
from dataclasses import dataclass

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Host, Vm, now
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call

HOST_MEMORY = 64 * 1024**3
BOOT_TIME = 1_760_000_000  # seconds since 1970


def java_id(name: str) -> str:
    """What Java's UUID.nameUUIDFromBytes makes of a name."""
    digest = hashlib.md5(name.encode(), usedforsecurity=False).digest()
    return str(uuid.UUID(bytes=digest, version=3))


@dataclass(frozen=True)
class Statistic:
    """`unit` as in the API: bytes, percent, none, bytes_per_second, bits_per_second, seconds, count_per_second."""

    name: str
    description: str
    unit: str
    value: float | str
    kind: str = "gauge"

    @property
    def id(self) -> str:
        return java_id(self.name)

    def render(self, path: str, owner: Element) -> Element:
        text = isinstance(self.value, str)
        kind = "string" if text else "integer" if isinstance(self.value, int) else "decimal"
        return entity(
            "statistic",
            f"{path}/{self.id}",
            self.id,
            leaf("kind", self.kind),
            leaf("type", kind),
            leaf("unit", self.unit),
            struct("values", struct("value", leaf("detail" if text else "datum", self.value))),
            owner,
            name=self.name,
            description=self.description,
        )


def of_host(engine: Engine, host: Host) -> tuple[Statistic, ...]:
    used = sum(
        vm.settings.memory for vm in engine.vms.values() if vm.is_on_host and vm.cluster_id == host.cluster_id
    )
    return (
        Statistic("memory.total", "Total memory", "bytes", HOST_MEMORY),
        Statistic("memory.used", "Used memory", "bytes", used),
        Statistic("memory.free", "Free memory", "bytes", HOST_MEMORY - used),
        Statistic("memory.shared", "Shared memory", "bytes", 0),
        Statistic("memory.buffers", "IO buffers", "bytes", 0),
        Statistic("memory.cached", "OS caches", "bytes", 0),
        Statistic("swap.total", "Total swap", "bytes", 0),
        Statistic("swap.free", "Free swap", "bytes", 0),
        Statistic("swap.used", "Used swap", "bytes", 0),
        Statistic("swap.cached", "Swap also in memory", "bytes", 0),
        Statistic("ksm.cpu.current", "KSM CPU usage", "percent", 0.0),
        Statistic("cpu.current.user", "User CPU usage", "percent", 0.0),
        Statistic("cpu.current.system", "System CPU usage", "percent", 0.0),
        Statistic("cpu.current.idle", "Idle CPU usage", "percent", 100.0),
        Statistic("cpu.load.avg.5m", "CPU 5 minute load average", "percent", 0.0),
        Statistic("boot.time", "Boot time of the machine", "none", BOOT_TIME),
    )


def of_vm(vm: Vm) -> tuple[Statistic, ...]:
    """Of a VM that does not run only what was set."""
    used = vm.settings.memory if vm.is_on_host else 0
    elapsed = int((now() - vm.start_time).total_seconds()) if vm.is_on_host and vm.start_time else 0
    return (
        Statistic("memory.installed", "Total memory configured", "bytes", vm.settings.memory),
        Statistic("memory.used", "Memory used (agent)", "bytes", used),
        Statistic("memory.free", "Free memory (agent)", "bytes", vm.settings.memory - used),
        Statistic("memory.buffered", "Buffered memory (agent)", "bytes", 0),
        Statistic("memory.cached", "Cached memory (agent)", "bytes", 0),
        Statistic("memory.unused", "Unused memory", "bytes", 0),
        Statistic("cpu.current.guest", "CPU used by guest", "percent", 0.0),
        Statistic("cpu.current.hypervisor", "CPU overhead", "percent", 0.0),
        Statistic("cpu.current.total", "Total CPU used", "percent", 0.0),
        Statistic("network.current.total", "Total network used", "percent", 0.0),
        Statistic("migration.progress", "Migration Progress", "percent", 0.0),
        Statistic("elapsed.time", "Elapsed VM runtime", "seconds", elapsed),
        Statistic("disks.usage", "Disk usage, in bytes, per filesystem as JSON", "none", "[]"),
    )


def of_disk() -> tuple[Statistic, ...]:
    return (
        Statistic("data.current.read", "Read data rate", "bytes_per_second", 0.0),
        Statistic("data.current.write", "Write data rate", "bytes_per_second", 0.0),
        Statistic("disk.read.latency", "Read latency", "seconds", 0.0),
        Statistic("disk.write.latency", "Write latency", "seconds", 0.0),
        Statistic("disk.flush.latency", "Flush latency", "seconds", 0.0),
    )


def of_nic() -> tuple[Statistic, ...]:
    return (
        Statistic("data.current.rx", "Receive data rate", "bytes_per_second", 0.0),
        Statistic("data.current.tx", "Transmit data rate", "bytes_per_second", 0.0),
        Statistic("data.current.rx.bps", "Receive data rate", "bits_per_second", 0.0),
        Statistic("data.current.tx.bps", "Transmit data rate", "bits_per_second", 0.0),
        Statistic("errors.total.rx", "Total Receive errors", "none", 0, "counter"),
        Statistic("errors.total.tx", "Total transmit errors", "none", 0, "counter"),
        Statistic("data.total.rx", "Total received data", "bytes", 0, "counter"),
        Statistic("data.total.tx", "Total transmitted data", "bytes", 0, "counter"),
    )


def _host_statistics(call: Call) -> tuple[Statistic, ...]:
    return of_host(call.engine, call.engine.hosts[call.ids["host"]])


def _vm_statistics(call: Call) -> tuple[Statistic, ...]:
    return of_vm(call.engine.vm(call.ids["vm"]))


def _disk_statistics(call: Call) -> tuple[Statistic, ...]:
    call.engine.disk(call.ids["disk"])
    return of_disk()


def _nic_statistics(call: Call) -> tuple[Statistic, ...]:
    if call.ids["nic"] not in call.engine.vm(call.ids["vm"]).nics:
        raise gone()
    return of_nic()


def _render(call: Call, one: Statistic) -> Element:
    """Its owner is the entity before the last part of the path."""
    above = call.path.split("/")
    path = "/".join(above[: above.index("statistics") + 1])
    *_, collection, identifier, _statistics = path.split("/")
    owner = {"hosts": "host", "vms": "vm", "disks": "disk", "nics": "nic"}[collection]
    parent = path.rpartition("/statistics")[0].rpartition("/")[0]
    return one.render(path, reference(owner, parent, identifier))


ROUTES: list[ApiRoute] = [
    *catalog("hosts/{host}/statistics", "statistics", _host_statistics, _render),
    *catalog("vms/{vm}/statistics", "statistics", _vm_statistics, _render),
    *catalog("disks/{disk}/statistics", "statistics", _disk_statistics, _render),
    *catalog("vms/{vm}/nics/{nic}/statistics", "statistics", _nic_statistics, _render),
]
