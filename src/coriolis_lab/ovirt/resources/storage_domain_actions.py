"""Storage domains of a data centre: attach, maintenance, activate, detach; and actions on a domain itself."""

from coriolis_lab.ovirt.markup import leaf, reference, struct
from coriolis_lab.ovirt.records import Job, StorageDomain
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.storage_domains import domain_of, is_master, render_attached
from coriolis_lab.ovirt.tasks import Task
from coriolis_lab.ovirt.web import Call, Handler, Reply, action, completed, delete, post, removed

LAST_MASTER = (
    "Cannot remove the master Storage Domain from the Data Center without another active Storage Domain to "
    "take its place.\n-Either activate another Storage Domain in the Data Center, or remove the Data Center."
)


def _enter(call: Call, domain: StorageDomain, description: str, through: str, to: str) -> Job:
    """The status `through` now, `to` after a moment."""
    engine = call.engine
    job = engine.journal.open_job(f"{description} Storage Domain {domain.name}", call.correlation_id)
    domain.status = through

    def arrive(_reason: str = "") -> None:
        domain.status = to

    engine.tasks.start(Task(job, engine.settings.delays.disk, lambda: None, arrive, arrive))
    return job


def attach(call: Call) -> Reply:
    """It becomes active by itself."""
    engine, body = call.engine, call.document
    with engine.lock:
        engine.require(call.ids)
        if not (body.id or body.string("name")):
            raise incomplete("StorageDomain", "id|name", "add")
        domain = engine.named_storage_domain(body)
        if domain.data_center_id is not None:
            raise conflict(
                f"Cannot attach Storage. The relevant Storage Domain's status is {domain.status.title()}."
            )
        if domain.type == "image":
            raise conflict(
                "Cannot manage Storage Domain. The domain is defined externally (such as through a provider)."
            )
        center = engine.data_centers[call.ids["data_center"]]
        domain.data_center_id = center.id
        _enter(call, domain, f"Attaching to Data Center {center.name}", "locked", "active")
        return Reply(201, render_attached(engine, domain))


def _attached(call: Call) -> StorageDomain:
    domain = domain_of(call)
    if domain.data_center_id != call.ids["data_center"]:
        raise gone()
    return domain


def activate(call: Call) -> Reply:
    with call.engine.lock:
        domain = _attached(call)
        if domain.status not in ("maintenance", "inactive"):
            raise _wrong_status("activate", domain)
        return completed(_enter(call, domain, "Activating", "activating", "active"))


def deactivate(call: Call) -> Reply:
    """Refused while a guest runs from it, while one of its disks is locked, and for the last master."""
    engine = call.engine
    with engine.lock:
        domain = _attached(call)
        if domain.status != "active":
            raise _wrong_status("deactivate", domain)
        inside = [disk for disk in engine.disks.values() if disk.storage_domain_id == domain.id]
        if any(vm.is_running for disk in inside for vm in engine.vms_of_disk(disk.id)):
            raise conflict(
                'Cannot deactivate Storage. VMs in a state other than "Down" were detected.\n-Please ensure all VMs '
                "associated with this Storage Domain are stopped and in the Down state first."
            )
        if any(disk.is_locked for disk in inside) and not call.document.boolean("force"):
            raise conflict(
                "Cannot deactivate Storage while there are running tasks on this Storage.\n"
                "-Please wait until tasks will finish and try again."
            )
        return completed(_enter(call, domain, "Deactivating", "preparing_for_maintenance", "maintenance"))


def detach(call: Call) -> Reply:
    """Only out of maintenance. The lab keeps a domain's disks in the engine, so one that holds any stays attached."""
    engine = call.engine
    with engine.lock:
        domain = _attached(call)
        if domain.status != "maintenance":
            raise _wrong_status("detach", domain)
        others = [
            other
            for other in engine.storage_domains.values()
            if other.data_center_id == domain.data_center_id
            and other is not domain
            and other.status == "active"
        ]
        if is_master(engine, domain) and not others:
            raise conflict(LAST_MASTER)
        if any(disk.storage_domain_id == domain.id for disk in engine.disks.values()):
            raise conflict(
                "Cannot detach Storage. The Storage Domain holds disks; move or remove them first."
            )
        domain.data_center_id = None
        return removed(call, call.done(f"Detaching Storage Domain {domain.name}"))


def _wrong_status(verb: str, domain: StorageDomain) -> Exception:
    shown = domain.status.replace("_", " ").title()
    return conflict(f"Cannot {verb} Storage. The relevant Storage Domain's status is {shown}.")


def is_attached(call: Call) -> Reply:
    with call.engine.lock:
        domain = domain_of(call)
        job = call.done(f"Checking the attachment of Storage Domain {domain.name}")
        return Reply(
            200,
            struct(
                "action",
                leaf("is_attached", domain.data_center_id is not None),
                reference("job", "jobs", job.id),
                leaf("status", "complete"),
            ),
        )


def update_ovf_store(call: Call) -> Reply:
    with call.engine.lock:
        domain = domain_of(call)
        if domain.data_center_id is None or domain.status != "active":
            raise _wrong_status("update OVF of", domain)
        return completed(call.done(f"Updating the OVF store of {domain.name}"))


def _luns(verb: str, *, in_maintenance: bool) -> Handler:
    def handler(call: Call) -> Reply:
        with call.engine.lock:
            domain = domain_of(call)
            if not domain.is_block:
                raise conflict(f"Cannot {verb} Storage. Storage Domain type is illegal.")
            if in_maintenance and domain.status != "maintenance":
                raise _wrong_status(verb, domain)
            if call.document.find("logical_units") is None:
                raise incomplete("Action", "logicalUnits", f"{verb}Luns")
            return completed(call.done(f"LUNs of Storage Domain {domain.name}: {verb}"))

    return handler


OF_CENTER = "datacenters/{data_center}/storagedomains"
ROUTES = [
    post(OF_CENTER, attach),
    delete(f"{OF_CENTER}/{{domain}}", detach),
    action(f"{OF_CENTER}/{{domain}}/activate", activate),
    action(f"{OF_CENTER}/{{domain}}/deactivate", deactivate),
    action("storagedomains/{domain}/isattached", is_attached),
    action("storagedomains/{domain}/updateovfstore", update_ovf_store),
    action("storagedomains/{domain}/refreshluns", _luns("refresh", in_maintenance=False)),
    action("storagedomains/{domain}/reduceluns", _luns("reduce", in_maintenance=True)),
]
