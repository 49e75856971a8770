"""Data centres, and what hangs below them: storage domains (with their real status), clusters, networks."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import MAC_POOL_ID, DataCenter, StorageDomain
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources import clusters, networks, storage_domains
from coriolis_lab.ovirt.resources.directory import permissions
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, empty_list, found, get

EMPTY_LISTS = {"iscsibonds": "iscsi_bonds", "qoss": "qoss"}
LINKS = ("clusters", "networks", "storagedomains", "permissions", "quotas", *EMPTY_LISTS)


def render(engine: Engine, data_center: DataCenter) -> Element:
    version = (leaf("major", 4), leaf("minor", engine.look.cluster_minor))
    return entity(
        "data_center",
        f"datacenters/{data_center.id}",
        data_center.id,
        leaf("local", False),
        leaf("quota_mode", "disabled"),
        leaf("status", "up"),
        leaf("storage_format", "v5"),
        struct("supported_versions", struct("version", *version)),
        struct("version", *version),
        reference("mac_pool", "macpools", MAC_POOL_ID),
        name=data_center.name,
        description="",
        comment="",
        links=LINKS,
    )


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
        "status": lambda _record: ["up"],
        "storage": storage_names,
        "storage.name": storage_names,
        "clusters.name": cluster_names,
        "cluster.name": cluster_names,
    }


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        engine = call.engine
        return listing(
            call, "data_centers", engine.data_centers.values(), lambda one: render(engine, one), _keys(engine)
        )


def _data_center(call: Call) -> DataCenter:
    data_center = call.engine.data_centers.get(call.ids["data_center"])
    if data_center is None:
        raise gone()
    return data_center


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(call.engine, _data_center(call)))


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


def list_clusters(call: Call) -> Reply:
    with call.engine.lock:
        data_center = _data_center(call)
        inside = [
            cluster for cluster in call.engine.clusters.values() if cluster.data_center_id == data_center.id
        ]
        return listing(call, "clusters", inside, lambda one: clusters.render(call.engine, one))


def list_networks(call: Call) -> Reply:
    with call.engine.lock:
        data_center = _data_center(call)
        inside = [
            network for network in call.engine.networks.values() if network.data_center_id == data_center.id
        ]
        return listing(call, "networks", inside, networks.render)


ROUTES = [
    get("datacenters", list_all),
    get("datacenters/{data_center}", show),
    get("datacenters/{data_center}/storagedomains", list_storage_domains),
    get("datacenters/{data_center}/storagedomains/{domain}", show_storage_domain),
    get("datacenters/{data_center}/clusters", list_clusters),
    get("datacenters/{data_center}/networks", list_networks),
    get("datacenters/{data_center}/clusters/{cluster}", clusters.show),
    get("datacenters/{data_center}/networks/{network}", networks.show),
    get("datacenters/{data_center}/permissions", permissions),
    *(get(f"datacenters/{{data_center}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
]
