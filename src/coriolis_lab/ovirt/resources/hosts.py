"""Hosts: one in each cluster, always up; the hypervisor's machine behind a new name."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Host
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.directory import permissions
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, empty_list, found, get


def render(engine: Engine, host: Host) -> Element:
    look = engine.look
    return entity(
        "host",
        f"hosts/{host.id}",
        host.id,
        leaf("address", host.address),
        leaf("external_status", "ok"),
        leaf("port", 54321),
        leaf("status", "up"),
        leaf("type", "rhel"),
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

ROUTES = [
    get("hosts", list_all),
    get("hosts/{host}", show),
    get("hosts/{host}/permissions", permissions),
    *(get(f"hosts/{{host}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
]
