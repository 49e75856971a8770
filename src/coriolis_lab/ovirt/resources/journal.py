"""Jobs and events: how a client learns what became of its correlation id."""

from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.journal import EventKind
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.records import Event, Job, Step, now
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.roles import ADMIN_ID
from coriolis_lab.ovirt.search import Keys
from coriolis_lab.ovirt.web import (
    Call,
    Reply,
    action,
    completed,
    delete,
    empty_list,
    found,
    get,
    post,
    removed,
)

EXTERNAL_EVENT_CODES = {"normal": 9801, "warning": 9802, "error": 9803, "alert": 9804}
STEP_TYPES = ("executing", "finalizing", "unknown", "validating", "rebalancing_volume", "removing_bricks")

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
        leaf("external", job.external),
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
        return found(render_job(_job(call)))


def _job(call: Call) -> Job:
    job = call.engine.journal.jobs.get(call.ids["job"])
    if job is None:
        raise gone()
    return job


def add_job(call: Call) -> Reply:
    """A job of a client's own, which it ends itself."""
    with call.engine.lock:
        description = call.document.string("description")
        if not description:
            raise incomplete("Job", "description", "add")
        job = call.engine.journal.open_job(description, call.correlation_id)
        job.external = True
        return Reply(201, render_job(job))


def end_job(call: Call) -> Reply:
    """`<action><succeeded>` says how; the engine ends its own jobs itself."""
    with call.engine.lock:
        job = _job(call)
        _check_external(job, "end")
        ended = "failed" if call.document.boolean("succeeded") is False else "finished"
        call.engine.journal.close_job(job, ended)
        return completed(job)


def clear_job(call: Call) -> Reply:
    with call.engine.lock:
        job = _job(call)
        _check_external(job, "clear")
        call.engine.journal.jobs.pop(job.id)
        return completed(job)


def _check_external(job: Job, verb: str) -> None:
    if not job.external:
        raise conflict(f"Cannot {verb} Job. The job was not added by an external system.")


def render_step(step: Step) -> Element:
    return entity(
        "step",
        f"jobs/{step.job_id}/steps/{step.id}",
        step.id,
        leaf("end_time", step.end_time),
        leaf("external", True),
        leaf("number", 0),
        leaf("start_time", step.start_time),
        leaf("status", step.status),
        leaf("type", step.type),
        reference("job", "jobs", step.job_id),
        actions=("end",),
        description=step.description,
        links=("statistics",),
    )


def list_steps(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "steps", _job(call).steps.values(), render_step)


def _step(call: Call) -> Step:
    step = _job(call).steps.get(call.ids["step"])
    if step is None:
        raise gone()
    return step


def show_step(call: Call) -> Reply:
    with call.engine.lock:
        return found(render_step(_step(call)))


def add_step(call: Call) -> Reply:
    with call.engine.lock:
        job, body = _job(call), call.document
        _check_external(job, "add a step to")
        kind = body.choice("type", STEP_TYPES)
        if kind is None:
            raise incomplete("Step", "type", "add")
        step = Step(new_id(), job.id, body.string("description") or "", kind, now())
        job.steps[step.id] = step
        return Reply(201, render_step(step))


def end_step(call: Call) -> Reply:
    with call.engine.lock:
        step = _step(call)
        step.status = "failed" if call.document.boolean("succeeded") is False else "finished"
        step.end_time = now()
        return completed(_job(call))


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
        leaf("custom_id", event.custom_id),
        leaf("flood_rate", 30),
        leaf("index", event.index),
        leaf("origin", event.origin),
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

    def storage_names(record: Event) -> list[str]:
        domain = engine.storage_domains.get(record.storage_domain_id or "")
        return [domain.name] if domain else []

    return {
        "correlation_id": lambda record: [record.correlation_id or ""],
        "severity": lambda record: [record.severity],
        "vm.id": lambda record: [record.vm_id or ""],
        "vm": vm_names,
        "vm.name": vm_names,
        "event_vm": vm_names,
        "event_storage": storage_names,
        "host.name": lambda _record: [],
        "event_host": lambda _record: [],
        "cluster": lambda _record: [],
        "template.name": lambda _record: [],
        "usrname": lambda _record: ["admin@internal"],
        "time": lambda record: [record.time.isoformat()],
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


def add_event(call: Call) -> Reply:
    """An event of another system; the custom id is unique for its origin."""
    engine, body = call.engine, call.document
    with engine.lock:
        for name in ("description", "origin", "severity", "custom_id"):
            if not body.string(name):
                raise incomplete("Event", name, "add")
        severity = body.choice("severity", tuple(EXTERNAL_EVENT_CODES)) or "normal"
        origin, number = body.string("origin") or "", body.integer("custom_id") or 0
        if any((event.origin, event.custom_id) == (origin, number) for event in engine.journal.events):
            raise conflict("Cannot add Event. External Event with this custom id already exists.")
        vm, domain = body.find("vm"), body.find("storage_domain")
        engine.journal.tell(
            EventKind(EXTERNAL_EVENT_CODES[severity], severity),
            body.string("description") or "",
            correlation_id=call.correlation_id,
            vm_id=vm.id if vm is not None else None,
            storage_domain_id=domain.id if domain is not None else None,
        )
        event = engine.journal.events[-1]
        event.origin, event.custom_id = origin, number
        return Reply(201, render_event(event))


def remove_event(call: Call) -> Reply:
    journal = call.engine.journal
    with call.engine.lock:
        for event in journal.events:
            if str(event.index) == call.ids["event"]:
                journal.events.remove(event)
                job = journal.open_job("Removing an event", call.correlation_id)
                journal.close_job(job, "finished")
                return removed(call, job)
    raise gone()


ROUTES = [
    get("jobs", list_jobs),
    post("jobs", add_job),
    get("jobs/{job}", show_job),
    action("jobs/{job}/end", end_job),
    action("jobs/{job}/clear", clear_job),
    get("jobs/{job}/steps", list_steps),
    post("jobs/{job}/steps", add_step),
    get("jobs/{job}/steps/{step}", show_step),
    get("jobs/{job}/steps/{step}/statistics", empty_list("statistics")),
    action("jobs/{job}/steps/{step}/end", end_step),
    get("events", list_events),
    post("events", add_event),
    get("events/{event}", show_event),
    delete("events/{event}", remove_event),
]
