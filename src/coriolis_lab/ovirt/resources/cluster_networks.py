"""Which networks a cluster has, and what they are to it."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, leaf, leaves, reference
from coriolis_lab.ovirt.records import Cluster, Network
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.networks import is_management, render, users_of
from coriolis_lab.ovirt.web import Call, Reply, delete, found, get, post, put, removed


def _cluster(call: Call) -> Cluster:
    call.engine.require(call.ids)
    return call.engine.clusters[call.ids["cluster"]]


def _render(engine: Engine, cluster: Cluster, network: Network) -> Element:
    """The management network also carries displays, migrations and the default route."""
    usages = network.usages
    management = is_management(engine, network)
    if management:
        usages = (*usages, "management", "display", "migration", "default_route")
    return render(
        network,
        f"clusters/{cluster.id}/networks/{network.id}",
        leaf("display", management),
        leaf("required", management or cluster.id in network.required),
        leaf("status", "operational"),
        leaves("usages", "usage", usages),
        reference("cluster", "clusters", cluster.id),
    )


def list_all(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        cluster = _cluster(call)
        inside = [network for network in engine.networks.values() if network.is_in(cluster)]
        return listing(call, "networks", inside, lambda one: _render(engine, cluster, one))


def _assigned(call: Call) -> tuple[Cluster, Network]:
    cluster = _cluster(call)
    network = call.engine.networks[call.ids["network"]]
    if not network.is_in(cluster):
        raise gone()
    return cluster, network


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(_render(call.engine, *_assigned(call)))


def assign(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        cluster = _cluster(call)
        if not (body.id or body.string("name")):
            raise incomplete("Network", "id|name", "add")
        network = engine.named_network(body, cluster.data_center_id)
        if network.is_in(cluster):
            raise conflict("Logical Network is already attached to Cluster.")
        network.cluster_ids = {*(network.cluster_ids or ()), cluster.id}
        if body.boolean("required") is not False:
            network.required.add(cluster.id)
        return Reply(201, _render(engine, cluster, network))


def update(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        cluster, network = _assigned(call)
        required = call.document.boolean("required")
        if required is False and is_management(engine, network):
            raise conflict(
                f"Cannot edit Network. The management network '{network.name}' must be required, please "
                "change the network to be required and try again."
            )
        if required is not None:
            (network.required.add if required else network.required.discard)(cluster.id)
        return found(_render(engine, cluster, network))


def take_out(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        cluster, network = _assigned(call)
        if is_management(engine, network):
            raise conflict(f"The Management Network ('{network.name}') is mandatory and cannot be removed.")
        here = {vm.name for vm in engine.vms.values() if vm.cluster_id == cluster.id}
        users = [name for name in users_of(engine, network) if name in here]
        if users:
            raise conflict(
                f"Cannot detach Network. The following VMs are actively using the Logical Network "
                f"'{network.name}' : '{', '.join(users)}'. Please stop the VMs and try again."
            )
        everywhere = {one.id for one in engine.clusters.values() if network.is_in(one)}
        network.cluster_ids = everywhere - {cluster.id}
        network.required.discard(cluster.id)
        return removed(call, call.done(f"Detaching Network {network.name}"))


ROUTES = [
    get("clusters/{cluster}/networks", list_all),
    post("clusters/{cluster}/networks", assign),
    get("clusters/{cluster}/networks/{network}", show),
    put("clusters/{cluster}/networks/{network}", update),
    delete("clusters/{cluster}/networks/{network}", take_out),
]
