"""Logical networks: of the engine, of a data centre, of a cluster; and their labels."""

import ipaddress
from dataclasses import dataclass

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, leaves, reference
from coriolis_lab.ovirt.records import Network, VnicProfile
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, invalid
from coriolis_lab.ovirt.resources.listing import catalog, listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, get, post, put, removed

LINKS = ("networklabels", "permissions", "vnicprofiles")
MAX_NAME = 256
MAX_VLAN = 4094
USAGES = ("default_route", "display", "gluster", "management", "migration", "vm")
CLIENTS_NETWORKS = ipaddress.ip_network(
    "10.128.0.0/10"
)  # where the networks that clients make give addresses


def render(network: Network, path: str | None = None, *more: Element | None) -> Element:
    """`path`: where it stands below something else, with what only that knows of it."""
    vlan = Element("vlan", (("id", str(network.vlan)),)) if network.vlan is not None else None
    return entity(
        "network",
        path or f"networks/{network.id}",
        network.id,
        leaf("mtu", network.mtu),
        leaf("port_isolation", network.port_isolation),
        leaf("stp", network.stp),
        None if more else leaves("usages", "usage", network.usages),
        leaf("vdsm_name", network.name),
        vlan,
        *more,
        reference("data_center", "datacenters", network.data_center_id),
        name=network.name,
        description=network.description,
        comment=network.comment,
        links=() if more else LINKS,
    )


def _keys(engine: Engine) -> Keys[Network]:
    def data_center(record: Network) -> list[str]:
        return [engine.data_centers[record.data_center_id].name]

    def clusters(record: Network) -> list[str]:
        return [cluster.name for cluster in engine.clusters.values() if record.is_in(cluster)]

    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "description": lambda record: [record.description],
        "comment": lambda record: [record.comment],
        "vlanid": lambda record: [] if record.vlan is None else [str(record.vlan)],
        "vlan_id": lambda record: [] if record.vlan is None else [str(record.vlan)],
        "mtu": lambda record: [str(record.mtu)],
        "vmnetwork": lambda record: [str("vm" in record.usages).lower()],
        "datacenter": data_center,
        "datacenter.name": data_center,
        "cluster_network.cluster_name": clusters,
    }


def _networks(call: Call) -> list[Network]:
    """All of them, or those of a data centre."""
    center = call.ids.get("data_center")
    return [one for one in call.engine.networks.values() if center in (None, one.data_center_id)]


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        call.engine.require(call.ids)
        return listing(call, "networks", _networks(call), render, _keys(call.engine))


def network_of(call: Call) -> Network:
    network = next((one for one in _networks(call) if one.id == call.ids["network"]), None)
    if network is None:
        raise gone()
    return network


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(network_of(call)))


def add(call: Call) -> Reply:
    """With a vNIC profile of the same name, unless the client wants none. No cluster has it yet."""
    engine, body = call.engine, call.document
    with engine.lock:
        name, center_node = body.string("name"), body.find("data_center")
        center_id = call.ids.get("data_center")
        if not name or (center_node is None and center_id is None):
            raise incomplete("Network", "name" if not name else "dataCenter.name|id", "add")
        if center_id is None and center_node is not None:
            center_id = engine.named_data_center(center_node).id
        engine.require({"data_center": center_id or ""})
        network = Network(new_id(), name, center_id or "", _free_cidr(engine), cluster_ids=set())
        _read(engine, network, body, "add")
        engine.networks[network.id] = network
        if "vm" in network.usages and body.boolean("profile_required") is not False:
            profile = VnicProfile(new_id(), name, network.id)
            engine.vnic_profiles[profile.id] = profile
        return Reply(201, render(network))


def _free_cidr(engine: Engine) -> str:
    used = {network.cidr for network in engine.networks.values()}
    return next(str(one) for one in CLIENTS_NETWORKS.subnets(new_prefix=24) if str(one) not in used)


def _read(engine: Engine, network: Network, body: Node, verb: str) -> None:
    """What the body names, checked first."""
    name = body.string("name") or network.name
    if len(name) > MAX_NAME or name.startswith("bond"):
        raise invalid("Bad network name, network cannot start with 'bond'")
    for other in engine.networks.values():
        if other.name == name and other is not network and other.data_center_id == network.data_center_id:
            raise conflict(
                f"Cannot {verb} Network. The name of the logical network '{name}' is already used by an "
                "existing logical network in the same data-center.\n-Please choose a different name."
            )
    vlan_node = body.find("vlan")
    vlan = network.vlan
    if vlan_node is not None:
        vlan = int(vlan_node.id) if vlan_node.id and vlan_node.id.isdigit() else None
    if vlan is not None and vlan > MAX_VLAN:
        raise invalid("VLAN ID must be a number between 0 and 4094.")
    usages = tuple(node.text.lower() for node in body.all("usages/usage"))
    unknown = [usage for usage in usages if usage not in USAGES]
    if unknown:
        raise invalid(f"Invalid value {unknown[0]} for usage. Possible values: {', '.join(USAGES)}")
    mtu = body.integer("mtu")
    stp, isolation = body.boolean("stp"), body.boolean("port_isolation")
    network.name, network.vlan = name, vlan
    network.usages = usages if body.find("usages") is not None else network.usages
    network.description = body.string_or("description", network.description)
    network.comment = body.string_or("comment", network.comment)
    network.mtu = network.mtu if mtu is None else mtu
    network.stp = network.stp if stp is None else stp
    network.port_isolation = network.port_isolation if isolation is None else isolation


def update(call: Call) -> Reply:
    with call.engine.lock:
        network = network_of(call)
        _read(call.engine, network, call.document, "edit")
        return found(render(network))


def users_of(engine: Engine, network: Network) -> list[str]:
    """The names of the VMs whose NICs hang on it."""
    profiles = {one.id for one in engine.vnic_profiles.values() if one.network_id == network.id}
    return [
        vm.name
        for vm in engine.vms.values()
        if any(nic.vnic_profile_id in profiles for nic in vm.nics.values())
    ]


def is_management(engine: Engine, network: Network) -> bool:
    """The first one of the data centre, over which the engine reaches the hosts."""
    first = next(one for one in engine.networks.values() if one.data_center_id == network.data_center_id)
    return first is network


def remove(call: Call) -> Reply:
    """Its profiles go with it."""
    engine = call.engine
    with engine.lock:
        network = network_of(call)
        if is_management(engine, network):
            raise conflict(f"The Management Network ('{network.name}') is mandatory and cannot be removed.")
        users = users_of(engine, network)
        if users:
            raise conflict(
                f"Cannot remove Network. This logical network is used by virtual machines: ({len(users)}): "
                f"{', '.join(users)}\n - Please detach virtual machines using this logical network and try again."
            )
        engine.networks.pop(network.id)
        for profile in [one for one in engine.vnic_profiles.values() if one.network_id == network.id]:
            engine.vnic_profiles.pop(profile.id)
        return removed(call, call.done(f"Removing Network {network.name}"))


@dataclass(frozen=True)
class Label:
    """A network's label: its name is its id."""

    network: Network

    @property
    def id(self) -> str:
        return self.network.label


def _labels(call: Call) -> list[Label]:
    network = network_of(call)
    return [Label(network)] if network.label else []


def _render_label(_call: Call, label: Label) -> Element:
    network = label.network
    path = f"networks/{network.id}/networklabels/{label.id}"
    return entity("network_label", path, label.id, reference("network", "networks", network.id))


def add_label(call: Call) -> Reply:
    with call.engine.lock:
        network, body = network_of(call), call.document
        label = body.id or body.string("name")
        if not label:
            raise incomplete("NetworkLabel", "id", "add")
        if network.label:
            raise conflict("Cannot add Label. The specified network is already labeled.")
        if not label.replace("_", "").replace("-", "").isalnum() or not label.isascii():
            raise invalid(
                "Network label must be formed only from: English letters, numbers, hyphen or underscore."
            )
        network.label = label
        return Reply(201, _render_label(call, Label(network)))


def remove_label(call: Call) -> Reply:
    with call.engine.lock:
        network = network_of(call)
        if network.label != call.ids["label"]:
            raise gone()
        network.label = ""
        return removed(call, call.done(f"Removing a label of {network.name}"))


def _routes(collection: str) -> list[ApiRoute]:
    """Networks can be made and changed below their data centre too."""
    one = f"{collection}/{{network}}"
    return [
        get(collection, list_all),
        post(collection, add),
        get(one, show),
        put(one, update),
        delete(one, remove),
    ]


ROUTES: list[ApiRoute] = [
    *_routes("networks"),
    *_routes("datacenters/{data_center}/networks"),
    *catalog("networks/{network}/networklabels", "network_labels", _labels, _render_label, "label"),
    post("networks/{network}/networklabels", add_label),
    delete("networks/{network}/networklabels/{label}", remove_label),
]
