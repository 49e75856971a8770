"""Hosts: one in each cluster, always up; the hypervisor's machine behind a new name."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Host
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, found, get


def render(host: Host) -> Element:
    return entity(
        "host",
        f"hosts/{host.id}",
        host.id,
        leaf("address", host.address),
        leaf("external_status", "ok"),
        leaf("port", 54321),
        leaf("status", "up"),
        leaf("type", "rhel"),
        struct("version", leaf("full_version", "vdsm-4.50.5.1-1.el8"), leaf("major", 4), leaf("minor", 50)),
        reference("cluster", "clusters", host.cluster_id),
        name=host.name,
        comment="",
    )


def _keys(engine: Engine) -> Keys[Host]:
    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "status": lambda _record: ["up"],
        "cluster": lambda record: [engine.clusters[record.cluster_id].name],
        "address": lambda record: [record.address],
    }


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "hosts", call.engine.hosts.values(), render, _keys(call.engine))


def show(call: Call) -> Reply:
    with call.engine.lock:
        host = call.engine.hosts.get(call.ids["host"])
        if host is None:
            raise gone()
        return found(render(host))


ROUTES = [get("hosts", list_all), get("hosts/{host}", show)]
