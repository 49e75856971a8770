"""Templates: list, get, update, delete, and adding one, or a version of one, from a VM that is down."""

from dataclasses import replace

from coriolis_lab.ovirt.disk_rules import check_usable
from coriolis_lab.ovirt.disk_work import check_unlocked
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.machine_settings import check_settings, read_initialization, read_settings
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.names import check_vm_name
from coriolis_lab.ovirt.records import BLANK_TEMPLATE_ID, Template, VmStatus
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources import attachments, nics
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.machines import machine_fields, machine_head
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.template_work import create_template, delete_template
from coriolis_lab.ovirt.web import Call, Reply, delete, empty_list, found, get, post, put, removed

LINKS = (
    "permissions",
    "tags",
    "nics",
    "cdroms",
    "diskattachments",
    "graphicsconsoles",
    "watchdogs",
)


def render(template: Template) -> Element:
    blank = template.id == BLANK_TEMPLATE_ID
    version = struct(
        "version",
        leaf("version_name", template.version_name),
        leaf("version_number", template.version_number),
        reference("base_template", "templates", template.base_id or template.id),
    )
    return entity(
        "template",
        f"templates/{template.id}",
        template.id,
        *machine_head(template.settings, "undefined" if blank else "x86_64"),
        leaf("creation_time", template.creation_time),
        *machine_fields(template.settings, template.initialization),
        reference("cluster", "clusters", template.cluster_id) if template.cluster_id else None,
        leaf("status", template.status),
        version,
        actions=("export",),
        name=template.name,
        description=template.description,
        comment=template.settings.comment,
        links=LINKS,
    )


def _keys(engine: Engine) -> Keys[Template]:
    def data_center(record: Template) -> list[str]:
        return [engine.data_center_of_cluster(record.cluster_id).name] if record.cluster_id else []

    def storage(record: Template) -> list[str]:
        return [engine.storage_domains[disk.storage_domain_id].name for disk in engine.attached_disks(record)]

    def vms(record: Template) -> list[str]:
        return [vm.name for vm in engine.vms.values() if vm.template_id == record.id]

    return {
        "name": lambda record: [record.name],
        "id": lambda record: [record.id],
        "status": lambda record: [record.status],
        "description": lambda record: [record.description],
        "cluster": lambda record: [engine.clusters[record.cluster_id].name] if record.cluster_id else [],
        "datacenter": data_center,
        "storage.name": storage,
        "vm.name": vms,
        "vms.name": vms,
        "version_number": lambda record: [str(record.version_number)],
    }


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "templates", call.engine.templates.values(), render, _keys(call.engine))


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(call.engine.template(call.ids["template"])))


def list_attachments(call: Call) -> Reply:
    with call.engine.lock:
        template = call.engine.template(call.ids["template"])
        items = template.attachments.values()
        return listing(
            call, "disk_attachments", items, lambda item: attachments.render_of_template(template, item)
        )


def show_attachment(call: Call) -> Reply:
    with call.engine.lock:
        template = call.engine.template(call.ids["template"])
        item = template.attachments.get(call.ids["attachment"])
        if item is None:
            raise gone()
        return found(attachments.render_of_template(template, item))


def list_nics(call: Call) -> Reply:
    with call.engine.lock:
        template = call.engine.template(call.ids["template"])
        return listing(
            call, "nics", template.nics.values(), lambda nic: nics.render_of_template(template, nic)
        )


def add(call: Call) -> Reply:
    """`<template><name/><vm id/></template>`: full copies of the VM's disks, locked until they are made."""
    engine = call.engine
    body = call.document
    with engine.lock:
        name = body.string("name")
        vm_node = body.find("vm")
        if not name or vm_node is None or not (vm_node.id or vm_node.string("name")):
            raise incomplete("Template", "name" if not name else "vm.id|name", "add")
        check_vm_name(name, "add Template")
        base_node = body.find("version/base_template")
        base = engine.named_template(base_node) if base_node is not None and base_node.id else None
        if base is None:
            _check_name_free(engine, name, "add")
        elif base.base_id is not None or base.id == BLANK_TEMPLATE_ID:
            raise conflict(
                "Cannot add Template. Only the first template version can be selected as the base template."
            )
        vm = engine.named_vm(vm_node)
        if vm.status != VmStatus.DOWN:
            raise conflict(
                "Cannot add Template. VM is locked or still running, try again once VM is in the Down state."
            )
        domain_node = body.find("storage_domain")
        domain = engine.named_storage_domain(domain_node) if domain_node is not None else None
        if domain is not None:
            check_usable(domain, "add Template")
        for disk in engine.attached_disks(vm):
            check_unlocked(disk, "add", "Template")
        settings = replace(vm.settings, description=body.string("description") or "", delete_protected=False)
        template, ended = create_template(
            engine,
            base.name if base else name,
            vm,
            settings,
            domain=domain,
            base=base,
            version_name=body.string("version/version_name") or ("" if base else "base version"),
            correlation_id=call.correlation_id,
        )
        return Reply(202, render(template), ended)


def _check_name_free(engine: Engine, name: str, verb: str, besides: Template | None = None) -> None:
    if any(one.name == name and one is not besides for one in engine.templates.values()):
        raise conflict(
            f"Cannot {verb} Template. The Template name is already in use, please choose a unique name and try again."
        )


def update(call: Call) -> Reply:
    """What VMs that are made of it later will get."""
    engine, body = call.engine, call.document
    with engine.lock:
        template = engine.template(call.ids["template"])
        name = body.string("name")
        if template.status != "ok":
            raise conflict("Template's Image is locked (temporarily).")
        if name and name != template.name:
            if template.base_id is not None or template.id == BLANK_TEMPLATE_ID:
                raise conflict(
                    "Cannot update the name of Sub-Templates, Only the Version name can be updated."
                )
            check_vm_name(name, "edit Template")
            _check_name_free(engine, name, "edit", template)
        settings = read_settings(body, template.settings, engine.look)
        check_settings(settings, "edit")
        template.settings = settings
        template.description = settings.description
        template.name = name or template.name
        template.version_name = body.string("version/version_name") or template.version_name
        template.initialization = read_initialization(body.find("initialization")) or template.initialization
        return found(render(template))


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        template = engine.template(call.ids["template"])
        job, ended = delete_template(engine, template, call.correlation_id)
        return removed(call, job, ended)


ROUTES = [
    get("templates", list_all),
    post("templates", add),
    get("templates/{template}", show),
    put("templates/{template}", update),
    delete("templates/{template}", remove),
    get("templates/{template}/diskattachments", list_attachments),
    get("templates/{template}/diskattachments/{attachment}", show_attachment),
    get("templates/{template}/nics", list_nics),
    get("templates/{template}/cdroms", empty_list("cdroms")),
    get("templates/{template}/graphicsconsoles", empty_list("graphics_consoles")),
    get("templates/{template}/watchdogs", empty_list("watchdogs")),
]
