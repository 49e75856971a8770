"""What an administrator sets once: scheduling policies, options of the engine, CPU profiles."""

import uuid
from dataclasses import dataclass

from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import DEFAULT_POLICY_ID, Cluster
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, empty_list, found, get


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


def render_policy(_call: Call, policy: Policy) -> Element:
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


@dataclass(frozen=True)
class Unit:
    """A part of policies: a filter of hosts, a weight or a balance."""

    id: str
    name: str
    type: str


UNITS = tuple(
    Unit(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {name}")), name, kind)
    for kind, names in (
        (
            "filter",
            ("Memory", "CPU", "CPU-Level", "Network", "HA", "PinToHost", "VmAffinityGroups", "Migration"),
        ),
        ("weight", ("InClusterUpgrade", "OptimalForEvenDistribution", "PreferredHosts", "VmAffinityGroups")),
        ("load_balancing", ("None", "OptimalForEvenDistribution", "OptimalForPowerSaving")),
    )
    for name in names
)


def render_unit(_call: Call, unit: Unit) -> Element:
    return entity(
        "scheduling_policy_unit",
        f"schedulingpolicyunits/{unit.id}",
        unit.id,
        leaf("enabled", True),
        leaf("internal", True),
        leaf("type", unit.type),
        name=unit.name,
        description="",
    )


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


def render_cpu_profile(_call: Call, cluster: Cluster) -> Element:
    """One for each cluster, with the cluster's id."""
    return entity(
        "cpu_profile",
        f"cpuprofiles/{cluster.id}",
        cluster.id,
        reference("cluster", "clusters", cluster.id),
        name=cluster.name,
        links=("permissions",),
    )


def cpu_profiles(call: Call) -> list[Cluster]:
    clusters = call.engine.clusters.values()
    return [one for one in clusters if call.ids.get("cluster") in (None, one.id)]


ROUTES: list[ApiRoute] = [
    *catalog("schedulingpolicies", "scheduling_policies", lambda _call: POLICIES, render_policy),
    *(
        get(f"schedulingpolicies/{{one}}/{rel}", empty_list(rel))
        for rel in ("balances", "filters", "weights")
    ),
    *catalog("schedulingpolicyunits", "scheduling_policy_units", lambda _call: UNITS, render_unit),
    get("options/{option}", show_option),
    *catalog("cpuprofiles", "cpu_profiles", cpu_profiles, render_cpu_profile),
    *catalog("clusters/{cluster}/cpuprofiles", "cpu_profiles", cpu_profiles, render_cpu_profile),
    get("openstackimageproviders", empty_list("openstack_image_providers")),
    get("openstackvolumeproviders", empty_list("openstack_volume_providers")),
    get("openstacknetworkproviders", empty_list("openstack_network_providers")),
    get("externalhostproviders", empty_list("external_host_providers")),
    get("katelloerrata", empty_list("katello_errata")),
]
