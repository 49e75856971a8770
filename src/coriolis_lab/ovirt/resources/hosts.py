"""Hosts: one in each cluster, the hypervisor's machine behind a new name. What they do is in `host_actions`, what hangs
below them in `host_parts`.
"""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.look import Look
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Host
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.resources.statistics import HOST_MEMORY
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, post, put, removed

RESERVED_MEMORY = 1024**3
ACTIONS = (
    "refresh",
    "install",
    "activate",
    "deactivate",
    "upgrade",
    "unregisteredstoragedomainsdiscover",
    "upgradecheck",
    "syncallnetworks",
    "setupnetworks",
    "approve",
    "commitnetconfig",
    "enrollcertificate",
    "fence",
    "forceselectspm",
    "iscsidiscover",
    "iscsilogin",
)
LINKS = (
    "fenceagents",
    "devices",
    "hooks",
    "nics",
    "numanodes",
    "storage",
    "networkattachments",
    "storageconnectionextensions",
    "unmanagednetworks",
    "externalnetworkproviderconfigurations",
    "affinitylabels",
    "katelloerrata",
    "permissions",
    "tags",
    "statistics",
)


def render(engine: Engine, host: Host) -> Element:
    look = engine.look
    running = sum(vm.is_on_host and vm.cluster_id == host.cluster_id for vm in engine.vms.values())
    return entity(
        "host",
        f"hosts/{host.id}",
        host.id,
        leaf("address", host.address),
        leaf("auto_numa_status", "disable"),
        struct("certificate", leaf("organization", "lab"), leaf("subject", f"O=lab,CN={host.address}")),
        *_hardware(host),
        leaf("external_status", "ok"),
        struct("iscsi", leaf("initiator", f"iqn.1994-05.com.redhat:{host.id[:12]}")),
        leaf("kdump_status", "disabled"),
        struct("ksm", leaf("enabled", False)),
        _libvirt(look),
        leaf("max_scheduling_memory", HOST_MEMORY - RESERVED_MEMORY),
        leaf("memory", HOST_MEMORY),
        leaf("numa_supported", False),
        struct(
            "os",
            leaf("custom_kernel_cmdline", ""),
            leaf("type", "RHEL"),
            struct("version", leaf("full_version", "8.7"), leaf("major", 8), leaf("minor", 7)),
        ),
        leaf("port", 54321),
        struct(
            "power_management",
            leaf("automatic_pm_enabled", True),
            leaf("enabled", False),
            leaf("kdump_detection", True),
            struct("pm_proxies"),
        ),
        leaf("protocol", "stomp"),
        struct("se_linux", leaf("mode", "enforcing")),
        struct("spm", leaf("priority", 5), leaf("status", "spm" if host.status == "up" else "none")),
        struct("ssh", leaf("fingerprint", f"SHA256:{host.id.replace('-', '')}"), leaf("port", 22)),
        leaf("status", host.status),
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
        leaf("vgpu_placement", "consolidated"),
        reference("cluster", "clusters", host.cluster_id),
        name=host.name,
        comment=host.comment,
        actions=ACTIONS,
        links=LINKS,
    )


def _libvirt(look: Look) -> Element:
    return struct(
        "libvirt_version",
        leaf("build", 0),
        leaf("full_version", f"libvirt-{look.libvirt}"),
        leaf("major", int(look.libvirt.partition(".")[0])),
        leaf("minor", int(look.libvirt.split(".")[1])),
        leaf("revision", 0),
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
        "status": lambda record: [record.status],
        "cluster": lambda record: [engine.clusters[record.cluster_id].name],
        "datacenter": lambda record: [engine.data_center_of_cluster(record.cluster_id).name],
        "hw_id": lambda record: [record.id],
        "address": lambda record: [record.address],
    }


def _hosts(call: Call) -> list[Host]:
    return list(call.engine.hosts.values())


def host_of(call: Call) -> Host:
    host = call.engine.hosts.get(call.ids["host"])
    if host is None:
        raise gone()
    return host


def update(call: Call) -> Reply:
    """Name and comment; the rest of a host is as it was installed."""
    with call.engine.lock:
        host, body = host_of(call), call.document
        name = body.string("name")
        if name and name != host.name and any(other.name == name for other in call.engine.hosts.values()):
            raise conflict(
                "Cannot edit Host. The Host name is already in use, please choose a unique name and try again."
            )
        host.name = name or host.name
        host.comment = body.string_or("comment", host.comment)
        return found(render(call.engine, host))


def add(call: Call) -> Reply:
    """No machine that a client names answers to the lab's engine."""
    engine, body = call.engine, call.document
    with engine.lock:
        for name in ("name", "address", "cluster"):
            if body.find(name) is None:
                raise incomplete("Host", name if name != "cluster" else "cluster.id|name", "add")
        cluster = body.find("cluster")
        if cluster is not None:
            engine.named_cluster(cluster)
        if body.string("root_password") is None and body.find("ssh") is None:
            raise conflict("Cannot install Host with empty password.")
        if any(host.name == body.string("name") for host in engine.hosts.values()):
            raise conflict(
                "Cannot add Host. The Host name is already in use, please choose a unique name and try again."
            )
        raise conflict(
            "Cannot add Host. Connecting to host via SSH has failed, verify that the host is reachable (IP address, "
            "routable address etc.) You may refer to the engine.log file for further details."
        )


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        host = host_of(call)
        if host.status != "maintenance":
            raise conflict(
                "Cannot remove Host. Host is operational. Please switch Host to Maintenance mode first."
            )
        engine.hosts.pop(host.id)
        return removed(call, call.done(f"Removing Host {host.name}"))


ROUTES: list[ApiRoute] = [
    *catalog("hosts", "hosts", _hosts, lambda call, host: render(call.engine, host), "host", keys=_keys),
    post("hosts", add),
    put("hosts/{host}", update),
    delete("hosts/{host}", remove),
]
