"""Hosts: one in each cluster, always up; the hypervisor's machine behind a new name."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Host
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.directory import permissions
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, empty_list, found, get

MEMORY = 64 * 1024**3
RESERVED_MEMORY = 1024**3
# what a host has below it; the lab's host has none of it to show
EMPTY_LISTS = {
    "devices": "host_devices",
    "hooks": "hooks",
    "katelloerrata": "katello_errata",
    "networkattachments": "network_attachments",
    "nics": "host_nics",
    "numanodes": "host_numa_nodes",
    "statistics": "statistics",
    "storage": "host_storages",
    "storageconnectionextensions": "storage_connection_extensions",
    "unmanagednetworks": "unmanaged_networks",
}


def render(engine: Engine, host: Host) -> Element:
    look = engine.look
    running = sum(vm.is_running and vm.cluster_id == host.cluster_id for vm in engine.vms.values())
    return entity(
        "host",
        f"hosts/{host.id}",
        host.id,
        leaf("address", host.address),
        leaf("auto_numa_status", "disable"),
        *_hardware(host),
        leaf("external_status", "ok"),
        struct("iscsi", leaf("initiator", f"iqn.1994-05.com.redhat:{host.id[:12]}")),
        leaf("kdump_status", "disabled"),
        struct("ksm", leaf("enabled", False)),
        leaf("max_scheduling_memory", MEMORY - RESERVED_MEMORY),
        leaf("memory", MEMORY),
        leaf("numa_supported", False),
        struct("os", leaf("type", "RHEL"), struct("version", leaf("full_version", "8.7"), leaf("major", 8))),
        leaf("port", 54321),
        struct("power_management", leaf("automatic_pm_enabled", True), leaf("enabled", False)),
        leaf("protocol", "stomp"),
        struct("se_linux", leaf("mode", "enforcing")),
        struct("spm", leaf("priority", 5), leaf("status", "spm")),
        struct("ssh", leaf("port", 22)),
        leaf("status", "up"),
        struct("summary", leaf("active", running), leaf("migrating", 0), leaf("total", running)),
        struct("transparent_hugepages", leaf("enabled", True)),
        leaf("type", "rhel"),
        leaf("update_available", False),
        struct(
            "version",
            leaf("full_version", look.host_version),
            leaf("major", 4),
            leaf("minor", look.host_version_minor),
        ),
        reference("cluster", "clusters", host.cluster_id),
        name=host.name,
        comment="",
        links=(*EMPTY_LISTS, "permissions", "tags"),
    )


def _hardware(host: Host) -> tuple[Element | None, ...]:
    return (
        struct(
            "cpu",
            leaf("name", "Intel(R) Xeon(R) CPU"),
            leaf("speed", 2400),
            struct("topology", leaf("cores", 8), leaf("sockets", 2), leaf("threads", 1)),
            leaf("type", "Intel Nehalem Family"),
        ),
        struct("device_passthrough", leaf("enabled", False)),
        struct(
            "hardware_information",
            leaf("family", "Lab"),
            leaf("manufacturer", "Coriolis"),
            leaf("product_name", "Lab host"),
            leaf("serial_number", host.id),
            leaf("uuid", host.id),
        ),
    )


def _keys(engine: Engine) -> Keys[Host]:
    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "status": lambda _record: ["up"],
        "cluster": lambda record: [engine.clusters[record.cluster_id].name],
        "datacenter": lambda record: [engine.data_center_of_cluster(record.cluster_id).name],
        "hw_id": lambda record: [record.id],
        "address": lambda record: [record.address],
    }


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        engine = call.engine
        return listing(call, "hosts", engine.hosts.values(), lambda host: render(engine, host), _keys(engine))


def show(call: Call) -> Reply:
    with call.engine.lock:
        host = call.engine.hosts.get(call.ids["host"])
        if host is None:
            raise gone()
        return found(render(call.engine, host))


ROUTES = [
    get("hosts", list_all),
    get("hosts/{host}", show),
    get("hosts/{host}/permissions", permissions),
    *(get(f"hosts/{{host}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
]
