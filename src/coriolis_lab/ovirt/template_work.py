"""Making and deleting templates. The caller holds the engine's lock."""

import threading
from dataclasses import replace

from coriolis_lab.ovirt.disk_work import destroy_disks
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import TEMPLATE_CREATED, TEMPLATE_CREATION_FAILED, TEMPLATE_REMOVED
from coriolis_lab.ovirt.machine_settings import MachineSettings
from coriolis_lab.ovirt.records import (
    BLANK_TEMPLATE_ID,
    Attachment,
    Disk,
    DiskStatus,
    Job,
    StorageDomain,
    Template,
    Vm,
    now,
)
from coriolis_lab.ovirt.refusals import conflict
from coriolis_lab.ovirt.tasks import Task


def create_template(
    engine: Engine,
    name: str,
    vm: Vm,
    settings: MachineSettings,
    *,
    domain: StorageDomain | None,
    base: Template | None,
    version_name: str,
    correlation_id: str | None,
) -> tuple[Template, threading.Event]:
    """From a VM that is down; its disks are copied and frozen, so that thin clones can be based on them. `base`: of
    which it is to be the next version.
    """
    template = Template(
        id=new_id(),
        name=name,
        description=settings.description,
        settings=settings,
        cluster_id=vm.cluster_id,
        creation_time=now(),
        version_name=version_name,
        version_number=1 + max((one.version_number for one in versions(engine, base)), default=0),
        status="locked",
        base_id=base.id if base else None,
    )
    pairs = [(disk, _template_disk(disk, template, domain)) for disk in engine.attached_disks(vm)]
    for source, copy in pairs:
        source.status = DiskStatus.LOCKED
        engine.disks[copy.id] = copy
        template.attachments[copy.id] = replace(vm.attachments[source.id], disk_id=copy.id, active=True)
    engine.templates[template.id] = template
    job = engine.journal.open_job(f"Creating Template {name} from VM {vm.name}", correlation_id)

    def work() -> None:
        for source, copy in pairs:
            engine.hypervisor.copy_disk(source.id, copy.id)
            engine.hypervisor.snapshot_disks({copy.id: copy.template_snapshot or ""})

    def done() -> None:
        for source, copy in pairs:
            source.status = DiskStatus.OK
            copy.status, copy.made = DiskStatus.OK, True
        template.status = "ok"
        text = f"Creation of Template {name} from VM {vm.name} has been completed."
        engine.journal.tell(TEMPLATE_CREATED, text, correlation_id=job.correlation_id)

    def failed(reason: str) -> None:
        for source, copy in pairs:
            source.status = DiskStatus.OK
            engine.disks.pop(copy.id)
        engine.templates.pop(template.id)
        text = f"Failed to complete creation of Template {name} from VM {vm.name}: {reason}."
        engine.journal.tell(TEMPLATE_CREATION_FAILED, text, correlation_id=job.correlation_id)

    return template, engine.tasks.start(Task(job, engine.settings.delays.disk, work, done, failed))


def versions(engine: Engine, base: Template | None) -> list[Template]:
    """The template and those that are versions of it."""
    if base is None:
        return []
    return [one for one in engine.templates.values() if base.id in (one.id, one.base_id)]


def _template_disk(source: Disk, template: Template, domain: StorageDomain | None) -> Disk:
    return replace(
        source,
        id=new_id(),
        image_id=new_id(),
        storage_domain_id=domain.id if domain else source.storage_domain_id,
        status=DiskStatus.LOCKED,
        made=False,
        template_id=template.id,
        template_snapshot=new_id(),
    )


def register_template(
    engine: Engine,
    name: str,
    image_id: str,
    *,
    cluster_id: str,
    storage_domain_id: str,
    settings: MachineSettings,
    virtual_size: int,
) -> Template:
    """A template whose one disk is an image the hypervisor has."""
    template = Template(
        id=new_id(),
        name=name,
        description="",
        settings=settings,
        cluster_id=cluster_id,
        creation_time=now(),
        version_name="base version",
        version_number=1,
    )
    disk = Disk(
        id=new_id(),
        alias=f"{name}_Disk1",
        provisioned_size=virtual_size,
        base_format="cow",
        sparse=True,
        storage_domain_id=storage_domain_id,
        image_id=new_id(),
        status=DiskStatus.OK,
        source_image=image_id,
        template_id=template.id,
    )
    engine.disks[disk.id] = disk
    template.attachments[disk.id] = Attachment(disk.id, "virtio", active=True, bootable=True)
    engine.templates[template.id] = template
    return template


def delete_template(
    engine: Engine, template: Template, correlation_id: str | None
) -> tuple[Job, threading.Event]:
    if template.id == BLANK_TEMPLATE_ID:
        raise conflict("Cannot remove Template. Removing Blank Template is not allowed.")
    if template.status == "locked":
        raise conflict("Template's Image is locked (temporarily).")
    users = [vm.name for vm in engine.vms.values() if vm.template_id == template.id]
    if users:
        raise conflict(
            f"Cannot delete Template. Template is being used by the following VMs: {', '.join(users)}."
        )
    later = [one.version_name for one in versions(engine, template) if one is not template]
    if later and template.base_id is None:
        raise conflict(
            "Cannot delete Base Template that has Template Versions, please first remove all Template Versions for "
            f"this Template: {', '.join(later)}."
        )
    template.status = "locked"
    disks = engine.attached_disks(template)
    job = engine.journal.open_job(f"Removing Template {template.name}", correlation_id)

    def work() -> None:
        destroy_disks(engine, disks)

    def done() -> None:
        for disk in disks:
            engine.disks.pop(disk.id, None)
        engine.templates.pop(template.id, None)
        text = f"Template {template.name} has been removed."
        engine.journal.tell(TEMPLATE_REMOVED, text, correlation_id=job.correlation_id)

    def failed(reason: str) -> None:
        template.status = "illegal"
        text = f"Failed to remove Template {template.name}: {reason}."
        engine.journal.tell(TEMPLATE_CREATION_FAILED, text, correlation_id=job.correlation_id)

    return job, engine.tasks.start(Task(job, engine.settings.delays.delete, work, done, failed))
