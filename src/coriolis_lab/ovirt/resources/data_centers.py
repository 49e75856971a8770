"""Data centres, and what hangs below them: storage domains (with their real status), clusters."""

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import MAC_POOL_ID, Cluster, DataCenter, Network, StorageDomain, VnicProfile
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources import clusters, storage_domains
from coriolis_lab.ovirt.resources.listing import catalog, listing
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

MANAGEMENT_CIDR = "10.64.0.0/24"  # of data centres that clients make
EMPTY_LISTS = {"iscsibonds": "iscsi_bonds", "qoss": "qoss"}
ACTIONS = {
    "setmaster": "Setting the master storage domain of Data Center",
    "cleanfinishedtasks": "Cleaning finished tasks of Data Center",
}
LINKS = ("clusters", "networks", "storagedomains", "permissions", "quotas", *EMPTY_LISTS)


def render(engine: Engine, data_center: DataCenter) -> Element:
    version = (leaf("major", 4), leaf("minor", engine.look.cluster_minor))
    return entity(
        "data_center",
        f"datacenters/{data_center.id}",
        data_center.id,
        leaf("local", data_center.local),
        leaf("quota_mode", "disabled"),
        leaf("status", _status(engine, data_center)),
        leaf("storage_format", "v5"),
        struct("supported_versions", struct("version", *version)),
        struct("version", *version),
        reference("mac_pool", "macpools", MAC_POOL_ID),
        actions=ACTIONS if engine.look.has_data_center_actions else (),
        name=data_center.name,
        description=data_center.description,
        comment=data_center.comment,
        links=LINKS,
    )


def _status(engine: Engine, data_center: DataCenter) -> str:
    """Without a data domain it has never been set up."""
    inside = [one for one in engine.storage_domains.values() if one.data_center_id == data_center.id]
    if not inside:
        return "uninitialized"
    return "up" if any(one.status == "active" for one in inside) else "maintenance"


def _keys(engine: Engine) -> Keys[DataCenter]:
    def storage_names(record: DataCenter) -> list[str]:
        return [
            domain.name for domain in engine.storage_domains.values() if domain.data_center_id == record.id
        ]

    def cluster_names(record: DataCenter) -> list[str]:
        return [cluster.name for cluster in engine.clusters.values() if cluster.data_center_id == record.id]

    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "status": lambda record: [_status(engine, record)],
        "description": lambda record: [record.description],
        "comment": lambda record: [record.comment],
        "storage": storage_names,
        "storage.name": storage_names,
        "clusters.name": cluster_names,
        "cluster.name": cluster_names,
    }


def _data_centers(call: Call) -> list[DataCenter]:
    return list(call.engine.data_centers.values())


def _data_center(call: Call) -> DataCenter:
    data_center = call.engine.data_centers.get(call.ids["data_center"])
    if data_center is None:
        raise gone()
    return data_center


def _domains(call: Call) -> list[StorageDomain]:
    data_center = _data_center(call)
    return [
        domain for domain in call.engine.storage_domains.values() if domain.data_center_id == data_center.id
    ]


def list_storage_domains(call: Call) -> Reply:
    with call.engine.lock:
        domains = _domains(call)
        return listing(
            call,
            "storage_domains",
            domains,
            lambda domain: storage_domains.render_attached(call.engine, domain),
        )


def show_storage_domain(call: Call) -> Reply:
    with call.engine.lock:
        domain = next((domain for domain in _domains(call) if domain.id == call.ids["domain"]), None)
        if domain is None:
            raise gone()
        return found(storage_domains.render_attached(call.engine, domain))


def add(call: Call) -> Reply:
    """Uninitialized until it has a storage domain."""
    engine, body = call.engine, call.document
    with engine.lock:
        if not body.string("name") or (body.boolean("local") is None and body.string("storage_type") is None):
            raise incomplete("DataCenter", "name" if not body.string("name") else "local", "add")
        data_center = DataCenter(new_id(), "", local=bool(body.boolean("local")))
        _read(engine, data_center, body, "add")
        engine.data_centers[data_center.id] = data_center
        network = Network(new_id(), "ovirtmgmt", data_center.id, MANAGEMENT_CIDR, "Management Network")
        engine.networks[network.id] = network
        profile = VnicProfile(new_id(), network.name, network.id)
        engine.vnic_profiles[profile.id] = profile
        return Reply(201, render(engine, data_center))


def _read(engine: Engine, data_center: DataCenter, body: Node, verb: str) -> None:
    name = body.string("name") or data_center.name
    if any(one.name == name and one is not data_center for one in engine.data_centers.values()):
        raise conflict(f"Cannot {verb} Data Center. The Data Center name is already in use.")
    data_center.name = name
    data_center.description = body.string_or("description", data_center.description)
    data_center.comment = body.string_or("comment", data_center.comment)


def update(call: Call) -> Reply:
    with call.engine.lock:
        data_center = _data_center(call)
        _read(call.engine, data_center, call.document, "edit")
        return found(render(call.engine, data_center))


def remove(call: Call) -> Reply:
    """Its networks go with it; clusters stay, and are of no data centre that is there: refused here."""
    engine = call.engine
    with engine.lock:
        data_center = _data_center(call)
        inside = [one for one in engine.storage_domains.values() if one.data_center_id == data_center.id]
        if any(one.status not in ("maintenance", "unattached") for one in inside) and not call.flag("force"):
            raise conflict(
                "Cannot remove Data Center which contains active/locked Storage Domains.\n"
                "-Please deactivate all domains and wait for tasks to finish before removing the Data Center."
            )
        if len(inside) > 1 and not call.flag("force"):
            raise conflict("Cannot remove Data Center while there are more than one Storage Domain attached.")
        if any(one.data_center_id == data_center.id for one in engine.clusters.values()):
            raise conflict("Cannot remove Data Center. One or more Clusters are still in the Data Center.")
        for domain in inside:
            domain.data_center_id = None
        for network in [one for one in engine.networks.values() if one.data_center_id == data_center.id]:
            engine.networks.pop(network.id)
            for profile in [one for one in engine.vnic_profiles.values() if one.network_id == network.id]:
                engine.vnic_profiles.pop(profile.id)
        engine.data_centers.pop(data_center.id)
        return removed(call, call.done(f"Removing Data Center {data_center.name}"))


def _clusters(call: Call) -> list[Cluster]:
    center = call.ids["data_center"]
    return [one for one in call.engine.clusters.values() if one.data_center_id == center]


ROUTES: list[ApiRoute] = [
    *catalog(
        "datacenters",
        "data_centers",
        _data_centers,
        lambda call, one: render(call.engine, one),
        "data_center",
        keys=_keys,
    ),
    post("datacenters", add),
    put("datacenters/{data_center}", update),
    delete("datacenters/{data_center}", remove),
    get("datacenters/{data_center}/storagedomains", list_storage_domains),
    get("datacenters/{data_center}/storagedomains/{domain}", show_storage_domain),
    *catalog(
        "datacenters/{data_center}/clusters",
        "clusters",
        _clusters,
        lambda call, one: clusters.render(call.engine, one),
        "cluster",
    ),
    *immediate_actions("datacenters/{data_center}", ACTIONS, _data_center),
    *(get(f"datacenters/{{data_center}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
]
