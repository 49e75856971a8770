"""Records as the wire format writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from coriolis.api.masking import mask
from coriolis.model.instance import (
    Disk,
    Instance,
    InstanceSummary,
    Network,
    Nic,
    ProviderOption,
    StorageBackend,
)
from coriolis.model.migration import Migration
from coriolis.model.queue import QueuePlace
from coriolis.model.records import (
    Deployment,
    Endpoint,
    Execution,
    LedgerEntry,
    Region,
    Service,
    Stamps,
    TaskEvent,
    TaskProgress,
    TaskRecord,
    Transfer,
)

Json = dict[str, Any]
Places = Mapping[str, QueuePlace]  # by execution


def moment(time: datetime | None) -> str | None:
    """Naive UTC with microseconds, always six digits: isoformat() would leave zeros out."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def stamps(record: Stamps) -> Json:
    return {
        "created_at": moment(record.created_at),
        "updated_at": moment(record.updated_at),
        "deleted_at": moment(record.deleted_at),
        "deleted": record.deleted,
    }


def endpoint(record: Endpoint) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "user_id": record.user_id,
        "project_id": record.project_id,
        "name": record.name,
        "type": record.type,
        "description": record.description,
        "connection_info": mask(record.connection_info),
        "mapped_regions": list(record.mapped_regions),
        "bandwidth_limit": record.bandwidth_limit,
    }


def _settings(record: Transfer | Deployment) -> Json:
    """The fields that transfers and deployments share."""
    return {
        **stamps(record),
        "id": record.id,
        "base_id": record.id,
        "user_id": record.user_id,
        "project_id": record.project_id,
        "instances": list(record.instances),
        "notes": record.notes,
        "reservation_id": None,
        "origin_endpoint_id": record.origin_endpoint_id,
        "destination_endpoint_id": record.destination_endpoint_id,
        "instance_osmorphing_minion_pool_mappings": dict(record.instance_osmorphing_minion_pool_mappings),
        "source_environment": mask(record.source_environment),
        "destination_environment": mask(record.destination_environment),
        "network_map": dict(record.network_map),
        "storage_mappings": dict(record.storage_mappings),
        "user_scripts": {"global": {}, "instances": {}, **record.user_scripts},
        "clone_disks": record.clone_disks,
        "skip_os_morphing": record.skip_os_morphing,
        "clustered": record.clustered,
        "last_execution_status": record.last_execution_status,
    }


def transfer(record: Transfer, places: Places) -> Json:
    return {
        **_settings(record),
        "type": "transfer",
        "scenario": record.scenario,
        "origin_minion_pool_id": record.origin_minion_pool_id,
        "destination_minion_pool_id": record.destination_minion_pool_id,
        "bandwidth_limit": record.bandwidth_limit,
        "transfer_result": None,
        "executions": [execution(run, places) for run in record.executions],
    }


def deployment_summary(record: Deployment) -> Json:
    """A line of the plain list, which leaves the tasks out: clients poll it every few seconds."""
    return {
        **_settings(record),
        "type": "deployment",
        "transfer_id": record.transfer_id,
        "transfer_scenario_type": record.scenario,
        "origin_minion_pool_id": None,
        "destination_minion_pool_id": None,
        "transfer_result": record.transfer_result,
        "deployer_id": None,
        "trust_id": None,
        "executions": [],
    }


def deployment(record: Deployment, places: Places) -> Json:
    """In full: the tasks of its one execution stand in the place of `executions`."""
    view = deployment_summary(record)
    del view["executions"]
    tasks = [task(item) for item in record.execution.tasks]
    return {**view, "tasks": tasks, **_place(places.get(record.execution.id))}


def execution(record: Execution, places: Places) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "action_id": record.action_id,
        "type": record.type,
        "status": record.status,
        "number": record.number,
        "tasks": [task(item) for item in record.tasks],
        **_place(places.get(record.id)),
    }


def migration(record: Migration) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "transfer_id": record.transfer_id,
        "user_id": record.user_id,
        "project_id": record.project_id,
        "number": record.number,
        "status": record.status,
        "phase": record.phase,
        "message": record.message,
        "execution_id": record.execution_id,
        "deployment_id": record.deployment_id,
        **asdict(record.limits),
        "restart_source_on_failure": record.restart_source_on_failure,
        "passes": [asdict(item) for item in record.passes],
        "cutover_reason": record.cutover_reason,
        "downtime": downtime(record),
    }


def migration_in_full(record: Migration, tasks: Sequence[TaskRecord], place: QueuePlace | None) -> Json:
    return {**migration(record), "tasks": [task(item) for item in tasks], **_place(place)}


def downtime(record: Migration | None) -> Json | None:
    """By instance, in seconds. Null until a migration has ended well, and where there is none."""
    if record is None or record.downtime is None:
        return None
    return {
        name: {"total_seconds": round(found.total_seconds, 3), **asdict(found)}
        for name, found in record.downtime.items()
    }


def _place(place: QueuePlace | None) -> Json:
    """Null: nothing of it waits in the queue."""
    return {
        "queue_position": None if place is None else place.position,
        "queue_reason": None if place is None else place.reason,
    }


def task(record: TaskRecord) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "execution_id": record.execution_id,
        "instance": record.instance,
        "host": record.host,
        "process_id": record.process_id,
        "status": record.status,
        "task_type": record.task_type,
        "exception_details": record.exception_details,
        "depends_on": list(record.depends_on) or None,
        "index": record.index,
        "on_error": record.on_error,
        "events": [task_event(event) for event in record.events],
        "progress_updates": [progress_update(update) for update in record.progress_updates],
    }


def task_event(record: TaskEvent) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "task_id": record.task_id,
        "index": record.index,
        "level": record.level,
        "message": record.message,
    }


def progress_update(record: TaskProgress) -> Json:
    """From `disk_id` on the fields are ours: bytes, bytes a second, seconds; null in a line of no disk."""
    return {
        **stamps(record),
        "id": record.id,
        "task_id": record.task_id,
        "index": record.index,
        "message": record.message,
        "current_step": record.current_step,
        "total_steps": record.total_steps,
        "disk_id": record.disk_id,
        "done_bytes": record.done,
        "total_bytes": record.total,
        "moved_bytes": record.moved,
        "rate": record.rate,
        "eta_seconds": record.eta,
    }


def region(record: Region) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "enabled": record.enabled,
        "mapped_services": list(record.mapped_services),
        "mapped_endpoints": list(record.mapped_endpoints),
    }


def service(record: Service) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "host": record.host,
        "binary": record.binary,
        "topic": record.topic,
        "enabled": record.enabled,
        "status": record.status,
        "providers": {name: {"types": list(types)} for name, types in record.providers.items()},
        "specs": dict(record.specs),
        "mapped_regions": list(record.mapped_regions),
    }


def ledger_entry(record: LedgerEntry, endpoint_names: Mapping[str, str], *, cleaning_up: bool) -> Json:
    return {
        **stamps(record),
        "id": record.id,
        "job_id": record.job_id,
        "step": record.step,
        "endpoint_id": record.endpoint_id,
        "endpoint_name": endpoint_names.get(record.endpoint_id),
        "kind": record.kind,
        "name": record.name,
        "state": record.state,
        "cloud_id": record.cloud_id,
        "reason": record.reason,
        "cleaning_up": cleaning_up,
    }


def instance_summary(record: InstanceSummary | Instance) -> Json:
    return {
        "id": record.id,
        "name": record.name,
        "instance_name": record.name,
        "num_cpu": record.num_cpu,
        "memory_mb": record.memory_mb,
        "os_type": record.os_type,
        "firmware_type": record.firmware,
        "flavor_name": record.flavor_name,
        "nested_virtualization": False,
    }


def instance(record: Instance) -> Json:
    return {
        **instance_summary(record),
        "secure_boot": record.secure_boot,
        "left_behind": list(record.left_behind),
        "devices": {
            "disks": [_disk(disk) for disk in record.disks],
            "nics": [_nic(nic) for nic in record.nics],
            "cdroms": [],
            "serial_ports": [],
            "floppies": [],
            "controllers": [],
        },
    }


def _disk(record: Disk) -> Json:
    return {
        "id": record.id,
        "size_bytes": record.size_bytes,
        "unit_number": record.unit_number,
        "format": record.format,
        "storage_backend_identifier": record.storage_backend,
    }


def _nic(record: Nic) -> Json:
    return {
        "id": record.id,
        "name": record.id,
        "network_id": record.network_id,
        "network_name": record.network_name,
        "mac_address": record.mac_address,
        "ip_addresses": list(record.ip_addresses),
    }


def named(record: Network | StorageBackend) -> Json:
    return {"id": record.id, "name": record.name}


def options(records: Sequence[ProviderOption]) -> list[Json]:
    return [
        {
            "name": record.name,
            "values": [value if isinstance(value, str) else named(value) for value in record.values],
            "config_default": record.default,
        }
        for record in records
    ]
