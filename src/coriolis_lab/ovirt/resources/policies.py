"""What an administrator sets once: scheduling policies, options of the engine, MAC pools, CPU profiles."""

from dataclasses import dataclass

from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import DEFAULT_POLICY_ID, MAC_POOL_ID
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.web import Call, Reply, empty_list, found, get


@dataclass(frozen=True)
class Policy:
    id: str
    name: str


POLICIES = (
    Policy(DEFAULT_POLICY_ID, "none"),
    Policy("20d25257-b4bd-4589-92a6-c4c5c5d3fd1a", "evenly_distributed"),
    Policy("5a2b0939-7d46-4b73-a469-e9c2c7fc6a53", "power_saving"),
    Policy("8d5d7bec-68de-4a67-b53e-0ac54686d579", "vm_evenly_distributed"),
)
VERSIONS = ("4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "general")
# name -> value in every version
OPTIONS = {
    "UserSessionTimeOutInterval": "30",
    "MaxVmNameLength": "64",
    "ServerCPUList": "1:Intel Nehalem Family:vmx,nx,model_Nehalem:Nehalem:x86_64",
    "TransferImageClientInactivityTimeoutInSeconds": "60",
    "MaxBlockDiskSizeInGibiBytes": "8192",
}


def render_policy(policy: Policy) -> Element:
    return entity(
        "scheduling_policy",
        f"schedulingpolicies/{policy.id}",
        policy.id,
        leaf("default_policy", policy.name == "none"),
        leaf("locked", True),
        name=policy.name,
        description="",
        links=("balances", "filters", "weights"),
    )


def list_policies(call: Call) -> Reply:
    return listing(call, "scheduling_policies", POLICIES, render_policy)


def show_policy(call: Call) -> Reply:
    policy = next((policy for policy in POLICIES if policy.id == call.ids["policy"]), None)
    if policy is None:
        raise gone()
    return found(render_policy(policy))


def show_option(call: Call) -> Reply:
    """`?version=4.7` leaves the values of the others out."""
    name = call.ids["option"]
    if name not in OPTIONS:
        raise gone()
    wanted = call.query.get("version")
    values = [
        struct("system_option_value", leaf("value", OPTIONS[name]), leaf("version", version))
        for version in VERSIONS
        if wanted in (None, version)
    ]
    return found(entity("system_option", f"options/{name}", name, struct("values", *values), name=name))


def render_mac_pool() -> Element:
    mac_range = struct("range", leaf("from", "56:6f:1a:1a:00:00"), leaf("to", "56:6f:1a:1a:ff:ff"))
    return entity(
        "mac_pool",
        f"macpools/{MAC_POOL_ID}",
        MAC_POOL_ID,
        leaf("allow_duplicates", False),
        leaf("default_pool", True),
        struct("ranges", mac_range),
        name="Default",
        description="Default MAC pool",
        links=("permissions",),
    )


def list_mac_pools(call: Call) -> Reply:
    return listing(call, "mac_pools", [MAC_POOL_ID], lambda _: render_mac_pool())


def show_mac_pool(call: Call) -> Reply:
    if call.ids["pool"] != MAC_POOL_ID:
        raise gone()
    return found(render_mac_pool())


def render_cpu_profile(cluster_id: str, name: str) -> Element:
    """One for each cluster, with the cluster's id."""
    return entity(
        "cpu_profile",
        f"cpuprofiles/{cluster_id}",
        cluster_id,
        reference("cluster", "clusters", cluster_id),
        name=name,
        links=("permissions",),
    )


def list_cpu_profiles(call: Call) -> Reply:
    with call.engine.lock:
        clusters = [
            cluster
            for cluster in call.engine.clusters.values()
            if call.ids.get("cluster") in (None, cluster.id)
        ]
        return listing(
            call, "cpu_profiles", clusters, lambda cluster: render_cpu_profile(cluster.id, cluster.name)
        )


def show_cpu_profile(call: Call) -> Reply:
    with call.engine.lock:
        cluster = call.engine.clusters.get(call.ids["profile"])
        if cluster is None:
            raise gone()
        return found(render_cpu_profile(cluster.id, cluster.name))


ROUTES = [
    get("schedulingpolicies", list_policies),
    get("schedulingpolicies/{policy}", show_policy),
    *(
        get(f"schedulingpolicies/{{policy}}/{rel}", empty_list(rel))
        for rel in ("balances", "filters", "weights")
    ),
    get("options/{option}", show_option),
    get("macpools", list_mac_pools),
    get("macpools/{pool}", show_mac_pool),
    get("cpuprofiles", list_cpu_profiles),
    get("cpuprofiles/{profile}", show_cpu_profile),
    get("clusters/{cluster}/cpuprofiles", list_cpu_profiles),
    get("affinitylabels", empty_list("affinity_labels")),
    get("instancetypes", empty_list("instance_types")),
    get("bookmarks", empty_list("bookmarks")),
    get("storageconnections", empty_list("storage_connections")),
    get("openstackimageproviders", empty_list("openstack_image_providers")),
    get("openstackvolumeproviders", empty_list("openstack_volume_providers")),
    get("openstacknetworkproviders", empty_list("openstack_network_providers")),
    get("externalhostproviders", empty_list("external_host_providers")),
    get("katelloerrata", empty_list("katello_errata")),
]
