"""Clusters: list, get, add, update, delete, and what can be done to one. Their networks are in `cluster_networks`."""

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.machine_settings import BIOS_TYPES
from coriolis_lab.ovirt.markup import Element, entity, leaf, leaves, reference, struct
from coriolis_lab.ovirt.records import DEFAULT_POLICY_ID, MAC_POOL_ID, Cluster
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, invalid
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import (
    ApiRoute,
    Call,
    Reply,
    delete,
    empty_list,
    found,
    get,
    immediate_actions,
    post,
    put,
    removed,
)

# the lab's clusters have nothing of these
EMPTY_LISTS = {
    "enabledfeatures": "cluster_features",
    "externalnetworkproviders": "external_providers",
    "glusterhooks": "gluster_hooks",
    "glustervolumes": "gluster_volumes",
}
LINKS = ("affinitygroups", "cpuprofiles", *EMPTY_LISTS, "networkfilters", "networks", "permissions")
# what they do, done at once in the lab
ACTIONS = {
    "syncallnetworks": "Synchronizing networks of Cluster",
    "resetemulatedmachine": "Resetting the emulated machine of Cluster",
    "refreshglusterhealstatus": "Refreshing the heal status of Cluster",
    "upgrade": "Upgrading Cluster",
}
MAX_NAME = 40


def render(engine: Engine, cluster: Cluster) -> Element:
    memory_policy = struct(
        "memory_policy",
        struct("over_commit", leaf("percent", 100)),
        struct("transparent_hugepages", leaf("enabled", True)),
    )
    return entity(
        "cluster",
        f"clusters/{cluster.id}",
        cluster.id,
        leaf("ballooning_enabled", True),
        leaf("bios_type", cluster.bios_type),
        struct("cpu", leaf("architecture", "x86_64"), leaf("type", cluster.cpu_type)),
        struct("custom_scheduling_policy_properties"),
        struct("error_handling", leaf("on_error", "migrate")),
        _fencing(),
        leaf("fips_mode", "disabled"),
        leaf("firewall_type", "firewalld"),
        leaf("gluster_service", False),
        leaf("ha_reservation", False),
        struct("ksm", leaf("enabled", True), leaf("merge_across_nodes", True)),
        leaf("log_max_memory_used_threshold", 95),
        leaf("log_max_memory_used_threshold_type", "percentage"),
        memory_policy,
        struct(
            "migration",
            leaf("auto_converge", "inherit"),
            struct("bandwidth", leaf("assignment_method", "auto")),
            leaf("compressed", "inherit"),
            leaf("encrypted", "inherit"),
        ),
        leaves("required_rng_sources", "required_rng_source", ["urandom"]),
        leaf("switch_type", "legacy"),
        leaf("threads_as_cores", False),
        leaf("trusted_service", False),
        leaf("tunnel_migration", False),
        struct("version", leaf("major", 4), leaf("minor", engine.look.cluster_minor)),
        leaf("virt_service", True),
        leaf("vnc_encryption", False),
        reference("data_center", "datacenters", cluster.data_center_id),
        reference("mac_pool", "macpools", MAC_POOL_ID),
        reference("scheduling_policy", "schedulingpolicies", DEFAULT_POLICY_ID),
        actions=ACTIONS,
        name=cluster.name,
        description=cluster.description,
        comment=cluster.comment,
        links=LINKS,
    )


def _fencing() -> Element:
    return struct(
        "fencing_policy",
        leaf("enabled", True),
        struct("skip_if_connectivity_broken", leaf("enabled", False), leaf("threshold", 50)),
        leaf("skip_if_gluster_bricks_up", False),
        leaf("skip_if_gluster_quorum_not_met", False),
        struct("skip_if_sd_active", leaf("enabled", False)),
    )


def _keys(engine: Engine) -> Keys[Cluster]:
    def data_center(record: Cluster) -> list[str]:
        return [engine.data_centers[record.data_center_id].name]

    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "comment": lambda record: [record.comment],
        "description": lambda record: [record.description],
        "architecture": lambda _record: ["x86_64"],
        "datacenter": data_center,
        "datacenter.name": data_center,
    }


def _clusters(call: Call) -> list[Cluster]:
    return list(call.engine.clusters.values())


def _render(call: Call, cluster: Cluster) -> Element:
    return render(call.engine, cluster)


def _cluster(call: Call) -> Cluster:
    cluster = call.engine.clusters.get(call.ids["cluster"])
    if cluster is None:
        raise gone()
    return cluster


def add(call: Call) -> Reply:
    """Without a host: VMs cannot run in it."""
    engine, body = call.engine, call.document
    with engine.lock:
        name, center = body.string("name"), body.find("data_center")
        if not name or center is None:
            raise incomplete("Cluster", "name" if not name else "dataCenter.name|id", "add")
        center_id = engine.named_data_center(center).id
        cluster = Cluster(new_id(), "", center_id, engine.look.cluster_bios_type)
        _read(engine, cluster, body, "add")
        engine.clusters[cluster.id] = cluster
        return Reply(201, render(engine, cluster))


def _read(engine: Engine, cluster: Cluster, body: Node, verb: str) -> None:
    name = body.string("name") or cluster.name
    if len(name) > MAX_NAME:
        raise invalid(f"Cluster name must not exceed {MAX_NAME} characters")
    if any(one.name == name and one is not cluster for one in engine.clusters.values()):
        raise conflict(f"Cannot {verb} Cluster. Cluster name is already in use.")
    cluster.bios_type = body.choice("bios_type", BIOS_TYPES) or cluster.bios_type
    cluster.cpu_type = body.string("cpu/type") or cluster.cpu_type
    cluster.name = name
    cluster.description = body.string_or("description", cluster.description)
    cluster.comment = body.string_or("comment", cluster.comment)


def update(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        cluster, body = _cluster(call), call.document
        center = body.find("data_center")
        if center is not None and engine.named_data_center(center).id != cluster.data_center_id:
            raise conflict("Cannot change Data Center association when editing a Cluster.")
        _read(engine, cluster, body, "edit")
        return found(render(engine, cluster))


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        cluster = _cluster(call)
        if any(host.cluster_id == cluster.id for host in engine.hosts.values()):
            raise conflict("Cannot remove Cluster. Cluster contains one or more Hosts")
        if any(vm.cluster_id == cluster.id for vm in engine.vms.values()):
            raise conflict("Cannot remove Cluster. One or more VMs are still assigned to the Cluster")
        if any(template.cluster_id == cluster.id for template in engine.templates.values()):
            raise conflict(
                "Cannot remove Cluster. One or more Template(s) are still associated with the Cluster"
            )
        if any(pool.cluster_id == cluster.id for pool in engine.pools.values()):
            raise conflict("Cannot remove Cluster.One or more VM-Pools are still associated with it")
        engine.clusters.pop(cluster.id)
        return removed(call, call.done(f"Removing Cluster {cluster.name}"))


ROUTES: list[ApiRoute] = [
    *catalog("clusters", "clusters", _clusters, _render, "cluster", keys=_keys),
    post("clusters", add),
    put("clusters/{cluster}", update),
    delete("clusters/{cluster}", remove),
    *immediate_actions("clusters/{cluster}", ACTIONS, _cluster),
    *(get(f"clusters/{{cluster}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
]
