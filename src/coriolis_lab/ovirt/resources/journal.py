"""Jobs and events: how a client learns what became of its correlation id."""

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import Event, Job
from coriolis_lab.ovirt.refusals import gone
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.resources.root import ADMIN_ID
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import Call, Reply, empty_list, found, get

JOB_KEYS: Keys[Job] = {
    "correlation_id": lambda record: [record.correlation_id],
    "status": lambda record: [record.status],
    "description": lambda record: [record.description],
}


def render_job(job: Job) -> Element:
    return entity(
        "job",
        f"jobs/{job.id}",
        job.id,
        leaf("auto_cleared", True),
        leaf("end_time", job.end_time),
        leaf("external", False),
        leaf("last_updated", job.end_time or job.start_time),
        leaf("start_time", job.start_time),
        leaf("status", job.status),
        reference("owner", "users", ADMIN_ID),
        actions=("clear", "end"),
        description=job.description,
        links=("steps",),
    )


def list_jobs(call: Call) -> Reply:
    with call.engine.lock:
        newest_first = reversed(call.engine.journal.jobs.values())
        return listing(call, "jobs", newest_first, render_job, JOB_KEYS)


def show_job(call: Call) -> Reply:
    with call.engine.lock:
        job = call.engine.journal.jobs.get(call.ids["job"])
        if job is None:
            raise gone()
        return found(render_job(job))


def render_event(event: Event) -> Element:
    vm = reference("vm", "vms", event.vm_id) if event.vm_id else None
    domain = None
    if event.storage_domain_id:
        domain = reference("storage_domain", "storagedomains", event.storage_domain_id)
    return entity(
        "event",
        f"events/{event.index}",
        str(event.index),
        leaf("code", event.code),
        leaf("correlation_id", event.correlation_id),
        leaf("custom_id", -1),
        leaf("flood_rate", 30),
        leaf("index", event.index),
        leaf("origin", "oVirt"),
        leaf("severity", event.severity),
        leaf("time", event.time),
        domain,
        reference("user", "users", ADMIN_ID),
        vm,
        description=event.description,
    )


def _event_keys(engine: Engine) -> Keys[Event]:
    def vm_names(record: Event) -> list[str]:
        vm = engine.vms.get(record.vm_id) if record.vm_id else None
        return [vm.name] if vm else []

    return {
        "correlation_id": lambda record: [record.correlation_id or ""],
        "severity": lambda record: [record.severity],
        "vm.id": lambda record: [record.vm_id or ""],
        "vm": vm_names,
        "vm.name": vm_names,
        "type": lambda record: [str(record.code)],
        "message": lambda record: [record.description],
    }


def list_events(call: Call) -> Reply:
    """Newest first; `from` gives those after an index."""
    with call.engine.lock:
        start = call.query.get("from", "")
        after = int(start) if start.isdigit() else 0
        newest_first = [event for event in reversed(call.engine.journal.events) if event.index > after]
        return listing(call, "events", newest_first, render_event, _event_keys(call.engine))


def show_event(call: Call) -> Reply:
    with call.engine.lock:
        for event in call.engine.journal.events:
            if str(event.index) == call.ids["event"]:
                return found(render_event(event))
    raise gone()


ROUTES = [
    get("jobs", list_jobs),
    get("jobs/{job}", show_job),
    get("jobs/{job}/steps", empty_list("steps")),
    get("events", list_events),
    get("events/{event}", show_event),
]
