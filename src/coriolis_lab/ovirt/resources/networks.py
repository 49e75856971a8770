"""Networks and the vNIC profiles through which NICs use them."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, leaves, reference, struct
from coriolis_lab.ovirt.records import Network, VnicProfile
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.directory import permissions
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, empty_list, found, get


def render(network: Network) -> Element:
    return entity(
        "network",
        f"networks/{network.id}",
        network.id,
        leaf("mtu", 0),
        leaf("port_isolation", False),
        leaf("stp", False),
        leaves("usages", "usage", ["vm"]),
        leaf("vdsm_name", network.name),
        reference("data_center", "datacenters", network.data_center_id),
        name=network.name,
        description=network.description,
        comment="",
        links=("networklabels", "permissions", "vnicprofiles"),
    )


def render_profile(profile: VnicProfile) -> Element:
    return entity(
        "vnic_profile",
        f"vnicprofiles/{profile.id}",
        profile.id,
        struct("pass_through", leaf("mode", "disabled")),
        leaf("port_mirroring", False),
        reference("network", "networks", profile.network_id),
        name=profile.name,
        links=("permissions",),
    )


def _keys(engine: Engine) -> Keys[Network]:
    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "description": lambda record: [record.description],
        "datacenter.name": lambda record: [engine.data_centers[record.data_center_id].name],
        "vmnetwork": lambda _record: ["true"],
        "datacenter": lambda record: [engine.data_centers[record.data_center_id].name],
    }


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "networks", call.engine.networks.values(), render, _keys(call.engine))


def _network(call: Call) -> Network:
    network = call.engine.networks.get(call.ids["network"])
    if network is None:
        raise gone()
    return network


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(_network(call)))


def list_profiles_of_network(call: Call) -> Reply:
    with call.engine.lock:
        network = _network(call)
        inside = [
            profile for profile in call.engine.vnic_profiles.values() if profile.network_id == network.id
        ]
        return listing(call, "vnic_profiles", inside, render_profile)


def list_profiles(call: Call) -> Reply:
    """Has no search, on a real engine neither: a client picks by name and network."""
    with call.engine.lock:
        return listing(call, "vnic_profiles", call.engine.vnic_profiles.values(), render_profile)


def show_profile(call: Call) -> Reply:
    with call.engine.lock:
        profile = call.engine.vnic_profiles.get(call.ids["profile"])
        if profile is None:
            raise gone()
        return found(render_profile(profile))


ROUTES = [
    get("networks", list_all),
    get("networks/{network}", show),
    get("networks/{network}/vnicprofiles", list_profiles_of_network),
    get("networks/{network}/networklabels", empty_list("network_labels")),
    get("networks/{network}/permissions", permissions),
    get("vnicprofiles", list_profiles),
    get("vnicprofiles/{profile}", show_profile),
    get("vnicprofiles/{profile}/permissions", permissions),
]
