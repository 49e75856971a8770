"""GET /api: product information, special objects, summary, links."""

from coriolis_lab.ovirt.look import Look
from coriolis_lab.ovirt.markup import API_ROOT, Element, leaf, reference, struct
from coriolis_lab.ovirt.records import BLANK_TEMPLATE_ID, VmStatus, now
from coriolis_lab.ovirt.roles import ADMIN_ID
from coriolis_lab.ovirt.web import Call, Reply, found, get

INSTANCE_ID = "5d1f7d40-17a1-4f0c-9a3e-52d6f51b8a10"
# in the order of the engine; a star for those that can be searched
COLLECTIONS = (
    "clusters*",
    "datacenters*",
    "events*",
    "hosts*",
    "networks*",
    "roles",
    "storagedomains*",
    "tags",
    "bookmarks",
    "icons",
    "templates*",
    "instancetypes*",
    "users*",
    "groups*",
    "domains",
    "vmpools*",
    "vms*",
    "disks*",
    "jobs",
    "storageconnections",
    "vnicprofiles",
    "diskprofiles",
    "cpuprofiles",
    "schedulingpolicyunits",
    "schedulingpolicies",
    "permissions",
    "macpools",
    "networkfilters",
    "operatingsystems",
    "externalhostproviders",
    "openstackimageproviders",
    "openstackvolumeproviders",
    "openstacknetworkproviders",
    "katelloerrata",
    "affinitylabels",
    "clusterlevels",
    "imagetransfers",
    "externalvmimports",
    "externaltemplateimports",
)


def product_version(look: Look) -> Element:
    return struct(
        "version",
        leaf("build", look.build),
        leaf("full_version", look.full_version),
        leaf("major", 4),
        leaf("minor", look.minor),
        leaf("revision", look.revision),
    )


def show(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        running = sum(vm.status == VmStatus.UP for vm in engine.vms.values())
        attached = sum(domain.data_center_id is not None for domain in engine.storage_domains.values())
        summary = struct(
            "summary",
            _count("hosts", sum(host.status == "up" for host in engine.hosts.values()), len(engine.hosts)),
            _count("storage_domains", attached, len(engine.storage_domains)),
            _count("users", 1, len(engine.users)),
            _count("vms", running, len(engine.vms)),
        )
    blank = reference("blank_template", "templates", BLANK_TEMPLATE_ID)
    root_tag = reference("root_tag", "tags", BLANK_TEMPLATE_ID)
    product = struct(
        "product_info",
        leaf("instance_id", INSTANCE_ID),
        leaf("name", engine.look.product),
        product_version(engine.look),
    )
    return found(
        struct(
            "api",
            *_links(),
            product,
            struct("special_objects", blank, root_tag),
            summary,
            leaf("time", now()),
            reference("authenticated_user", "users", ADMIN_ID),
            reference("effective_user", "users", ADMIN_ID),
        )
    )


def _links() -> list[Element]:
    links = []
    for collection in COLLECTIONS:
        name = collection.rstrip("*")
        links.append((name, f"{API_ROOT}/{name}"))
        if name != collection:
            origin = ";from={event_id}" if name == "events" else ""
            links.append((f"{name}/search", f"{API_ROOT}/{name}{origin}?search={{query}}"))
    return [Element("link", (("href", href), ("rel", rel))) for rel, href in links]


def _count(tag: str, active: int, total: int) -> Element:
    return struct(tag, leaf("active", active), leaf("total", total))


ROUTES = [get("", show)]
