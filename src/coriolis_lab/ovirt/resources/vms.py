"""VMs: list, get, update, delete. Adding is in `vm_creation`, actions in `vm_actions`."""

from collections.abc import Iterable
from dataclasses import replace

from coriolis_lab.ovirt import ovf_writer
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.journal import VM_UPDATED
from coriolis_lab.ovirt.machine_settings import check_settings, read_initialization, read_settings
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.names import check_vm_name
from coriolis_lab.ovirt.records import Vm, VmStatus
from coriolis_lab.ovirt.refusals import conflict
from coriolis_lab.ovirt.resources import guest_report
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.machines import machine_fields, machine_head
from coriolis_lab.ovirt.running import host_name
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.vm_work import check_detach_only, check_removable, remove_vm
from coriolis_lab.ovirt.web import Call, Reply, delete, empty_list, found, get, put, removed

# in the order of the engine
ACTIONS = (
    "detach",
    "export",
    "commitsnapshot",
    "clone",
    "reordermacaddresses",
    "logon",
    "maintenance",
    "previewsnapshot",
    "ticket",
    "thawfilesystems",
    "undosnapshot",
    "freezefilesystems",
    "cancelmigration",
    "reboot",
    "migrate",
    "shutdown",
    "start",
    "stop",
    "suspend",
)
LATER_ACTIONS = ("reset", "autopincpuandnumanodes")
LATER_MINOR = 4  # engines from 4.4 on have these
LINKS = (
    "graphicsconsoles",
    "cdroms",
    "watchdogs",
    "diskattachments",
    "snapshots",
    "applications",
    "hostdevices",
    "reporteddevices",
    "sessions",
    "nics",
    "numanodes",
    "katelloerrata",
    "permissions",
    "affinitylabels",
    "tags",
    "statistics",
    "backups",
    "checkpoints",
)
EMPTY_LISTS = {
    "hostdevices": "host_devices",
    "sessions": "sessions",
    "numanodes": "vm_numa_nodes",
    "katelloerrata": "katello_errata",
}


def render(engine: Engine, vm: Vm, *, next_run: bool = False) -> Element:
    """`next_run`: with the settings that the next start will take."""
    settings = vm.next_run if next_run and vm.next_run is not None else vm.settings
    host = None
    if vm.is_on_host and vm.status != VmStatus.WAIT_FOR_LAUNCH:
        host_id = next((host.id for host in engine.hosts.values() if host.cluster_id == vm.cluster_id), None)
        host = reference("host", "hosts", host_id) if host_id else None
    return entity(
        "vm",
        f"vms/{vm.id}",
        vm.id,
        *machine_head(settings),
        leaf("creation_time", vm.creation_time),
        *machine_fields(settings, vm.initialization),
        reference("cluster", "clusters", vm.cluster_id),
        reference("cpu_profile", "cpuprofiles", vm.cluster_id),
        struct("quota", attributes=(("id", engine.clusters[vm.cluster_id].data_center_id),)),
        *guest_report.fields(vm),
        leaf("next_run_configuration_exists", vm.next_run is not None),
        leaf("run_once", vm.run.run_once if vm.run else None),
        leaf("start_time", vm.start_time if vm.is_running else None),
        leaf("status", vm.status),
        leaf("status_detail", vm.status_detail),
        leaf("stop_reason", vm.stop_reason if vm.status == VmStatus.DOWN else None),
        leaf("stop_time", vm.stop_time),
        host,
        reference("instance_type", "instancetypes", vm.instance_type_id) if vm.instance_type_id else None,
        reference("original_template", "templates", vm.original_template_id),
        reference("template", "templates", vm.template_id),
        reference("vm_pool", "vmpools", vm.pool_id) if vm.pool_id else None,
        actions=(*ACTIONS, *(LATER_ACTIONS if engine.look.minor >= LATER_MINOR else ())),
        name=vm.name,
        description=settings.description,
        comment=settings.comment,
        links=LINKS,
    )


def _with_all_content(engine: Engine, vm: Vm, element: Element) -> Element:
    """`all_content=true` adds what costs the engine more queries: the console device, the VM as an OVF document."""
    configuration = struct("configuration", leaf("data", ovf_writer.write(engine, vm)), leaf("type", "ovf"))
    known = next(
        (child for child in element.children if child.tag == "initialization"), struct("initialization")
    )
    complete = known.with_children([configuration, *known.children])
    others = [child for child in element.children if child.tag != "initialization"]
    return element.with_children([*others, struct("console", leaf("enabled", True)), complete])


def _keys(engine: Engine) -> Keys[Vm]:
    def cluster(record: Vm) -> list[str]:
        return [engine.clusters[record.cluster_id].name]

    def data_center(record: Vm) -> list[str]:
        return [engine.data_center_of_cluster(record.cluster_id).name]

    def template(record: Vm) -> list[str]:
        found = engine.templates.get(record.template_id)
        return [found.name] if found else []

    def storage(record: Vm) -> list[str]:
        return [engine.storage_domains[disk.storage_domain_id].name for disk in engine.attached_disks(record)]

    def pool(record: Vm) -> list[str]:
        found = engine.pools.get(record.pool_id or "")
        return [found.name] if found else []

    def tags(record: Vm) -> list[str]:
        return [tag.name for tag in engine.tags.values() if record.id in tag.owners]

    def host(record: Vm) -> list[str]:
        return [host_name(engine, record)] if record.is_on_host else []

    def addresses(record: Vm) -> Iterable[str]:
        return record.run.ssh_addresses.values() if record.run else ()

    def fqdn(record: Vm) -> list[str]:
        return [record.run.system.host_name] if record.run and record.run.system else []

    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "status": lambda record: [record.status.value],
        "description": lambda record: [record.settings.description],
        "next_run_configuration_exists": lambda record: [str(record.next_run is not None).lower()],
        "comment": lambda record: [record.settings.comment],
        "cluster": cluster,
        "cluster.name": cluster,
        "datacenter": data_center,
        "datacenter.name": data_center,
        "template": template,
        "template.name": template,
        "storage.name": storage,
        "pool": pool,
        "pool.name": pool,
        "tag": tags,
        "host": host,
        "hosts.name": host,
        "memory": lambda record: [str(record.settings.memory // 2**20)],
        "ip": addresses,
        "fqdn": fqdn,
        "type": lambda record: [record.settings.type],
        "os": lambda record: [record.settings.os_type],
    }


def list_all(call: Call) -> Reply:
    engine = call.engine
    complete = call.flag("all_content")

    def shown(vm: Vm) -> Element:
        element = render(engine, vm)
        return _with_all_content(engine, vm, element) if complete else element

    with engine.lock:
        return listing(call, "vms", engine.vms.values(), shown, _keys(engine))


def show(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        element = render(engine, vm, next_run=call.flag("next_run"))
        return found(_with_all_content(engine, vm, element) if call.flag("all_content") else element)


def check_name_free(
    engine: Engine, name: str, data_center_id: str, action: str, besides: Vm | None = None
) -> None:
    """VM names are unique in a data centre."""
    for vm in engine.vms.values():
        same_center = engine.clusters[vm.cluster_id].data_center_id == data_center_id
        if vm is not besides and vm.name == name and same_center:
            raise conflict(
                f"Cannot {action} VM. The VM name is already in use, "
                "please choose a unique name and try again."
            )


def update(call: Call) -> Reply:
    """A running VM takes name, texts and protection at once and the rest when it is down."""
    engine = call.engine
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        body = call.document
        if vm.status == VmStatus.IMAGE_LOCKED:
            raise conflict("Cannot edit VM: VM is locked. Please try again in a few minutes.")
        name = body.string("name")
        if name and name != vm.name:
            check_vm_name(name, "edit VM")
            check_name_free(engine, name, engine.clusters[vm.cluster_id].data_center_id, "edit", vm)
        cluster_node = body.find("cluster")
        cluster = engine.named_cluster(cluster_node) if cluster_node is not None else None
        settings = read_settings(body, vm.next_run or vm.settings, engine.look)
        if settings.bios_type == "cluster_default":
            settings = replace(settings, bios_type=engine.clusters[vm.cluster_id].bios_type)
        check_settings(settings, "edit")
        vm.name = name or vm.name
        if cluster is not None and not vm.is_running:
            vm.cluster_id = cluster.id
        vm.initialization = read_initialization(body.find("initialization")) or vm.initialization
        if vm.is_running:
            at_once = replace(
                vm.settings,
                description=settings.description,
                comment=settings.comment,
                delete_protected=settings.delete_protected,
            )
            vm.next_run = settings if settings != at_once else None
            vm.settings = at_once
        else:
            vm.settings = settings
        job = call.done(f"Editing VM {vm.name}")
        text = f"VM {vm.name} configuration was updated."
        engine.journal.tell(VM_UPDATED, text, correlation_id=job.correlation_id, vm_id=vm.id)
        return found(render(engine, vm))


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        vm = engine.vm(call.ids["vm"])
        check_removable(engine, vm, force=call.flag("force"))
        detach_only = call.flag("detach_only")
        if detach_only:
            check_detach_only(engine, vm)
        job, ended = remove_vm(engine, vm, call.correlation_id, detach_only=detach_only)
        return removed(call, job, ended)


ROUTES = [
    get("vms", list_all),
    get("vms/{vm}", show),
    put("vms/{vm}", update),
    delete("vms/{vm}", remove),
    *(get(f"vms/{{vm}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
]
