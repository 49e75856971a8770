"""Clusters and their networks."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, leaves, reference, struct
from coriolis_lab.ovirt.records import DEFAULT_POLICY_ID, MAC_POOL_ID, Cluster
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources import networks
from coriolis_lab.ovirt.resources.directory import permissions
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, empty_list, found, get

# the lab's clusters have nothing of these
EMPTY_LISTS = {
    "affinitygroups": "affinity_groups",
    "enabledfeatures": "cluster_features",
    "externalnetworkproviders": "external_providers",
    "glusterhooks": "gluster_hooks",
    "glustervolumes": "gluster_volumes",
}


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
        struct("cpu", leaf("architecture", "x86_64"), leaf("type", "Intel Nehalem Family")),
        struct("custom_scheduling_policy_properties"),
        struct("error_handling", leaf("on_error", "migrate")),
        _fencing(),
        leaf("fips_mode", "disabled"),
        leaf("firewall_type", "firewalld"),
        leaf("gluster_service", False),
        leaf("ha_reservation", False),
        struct("ksm", leaf("enabled", True), leaf("merge_across_nodes", True)),
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
        name=cluster.name,
        description="",
        comment="",
        links=("networks", "permissions", "cpuprofiles", *EMPTY_LISTS),
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
        "comment": lambda _record: [""],
        "architecture": lambda _record: ["x86_64"],
        "datacenter": data_center,
        "datacenter.name": data_center,
    }


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        engine = call.engine
        return listing(
            call, "clusters", engine.clusters.values(), lambda one: render(engine, one), _keys(engine)
        )


def _cluster(call: Call) -> Cluster:
    cluster = call.engine.clusters.get(call.ids["cluster"])
    if cluster is None:
        raise gone()
    return cluster


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(call.engine, _cluster(call)))


def list_networks(call: Call) -> Reply:
    with call.engine.lock:
        data_center_id = _cluster(call).data_center_id
        inside = [
            network for network in call.engine.networks.values() if network.data_center_id == data_center_id
        ]
        return listing(call, "networks", inside, networks.render)


ROUTES = [
    get("clusters", list_all),
    get("clusters/{cluster}", show),
    get("clusters/{cluster}/networks", list_networks),
    get("clusters/{cluster}/networks/{network}", networks.show),
    get("clusters/{cluster}/permissions", permissions),
    *(get(f"clusters/{{cluster}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
]
