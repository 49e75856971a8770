"""/backups"""

from datetime import UTC, datetime

from coriolis_lab.openstack.records import Backup, Snapshot, now
from coriolis_lab.openstack.volume import backup_work, quota
from coriolis_lab.openstack.volume.bodies import (
    check_fields,
    flag,
    invalid_field,
    invalid_volume,
    metadata,
    text,
)
from coriolis_lab.openstack.volume.listings import listing
from coriolis_lab.openstack.volume.volumes import find as find_volume
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, micros, new_id, refuse_by_fault

DEFAULT_CONTAINER = "volumebackups"
_FIELDS = {
    "name",
    "description",
    "volume_id",
    "container",
    "incremental",
    "force",
    "snapshot_id",
    "metadata",
    "availability_zone",
}


def _summary(call: Call, backup: Backup) -> Json:
    href = f"{call.base}/volume/v3/{call.project_id}/backups/{backup.id}"
    return {"id": backup.id, "name": backup.name, "links": [{"rel": "self", "href": href}]}


def _detail(call: Call, backup: Backup) -> Json:
    view = {
        **_summary(call, backup),
        "status": backup.status,
        "size": backup.size,
        "object_count": backup.object_count,
        "availability_zone": None,
        "container": backup.container,
        "created_at": micros(backup.created),
        "updated_at": micros(backup.updated),
        "description": backup.description,
        "fail_reason": backup.fail_reason,
        "volume_id": backup.volume_id,
        "snapshot_id": backup.snapshot_id,
        "is_incremental": backup.parent_id is not None,
        "has_dependent_backups": bool(call.cloud.dependent_backups(backup.id)),
        "data_timestamp": micros(backup.data_at),
    }
    if call.at_least(43):
        view["metadata"] = dict(backup.metadata)
    if call.at_least(56):
        view["user_id"] = backup.user_id
    return view


def _find(call: Call) -> Backup:
    backup = call.cloud.backups.get(call.ids["id"])
    if backup is None or not call.sees(backup.project_id):
        raise ApiError(404, f"Backup {call.ids['id']} could not be found.", "BackupNotFound")
    return backup


def _seen(call: Call) -> list[Backup]:
    return [b for b in call.cloud.backups.values() if b.project_id == call.project_id]


def _list(call: Call) -> Reply:
    return listing(call, "backups", _seen(call), _summary)


def _list_details(call: Call) -> Reply:
    return listing(call, "backups", _seen(call), _detail)


def _show(call: Call) -> Reply:
    return Reply({"backup": _detail(call, _find(call))})


def _create(call: Call) -> Reply:
    given = call.member("backup")
    check_fields("backup", given, _FIELDS)
    if "volume_id" not in given:
        raise invalid_field("backup", given, "'volume_id' is a required property")
    volume = find_volume(call, str(given["volume_id"]))
    snapshot = _snapshot(call, given, volume.id)
    if snapshot is None:
        if volume.status not in {"available", "in-use"}:
            words = "Volume to be backed up must be available or in-use, but the current status is"
            raise invalid_volume(f'{words} "{volume.status}".')
        if volume.status == "in-use" and not flag(given, "force"):
            raise invalid_volume("Backing up an in-use volume must use the force flag.")
    quota.check_backup(call.cloud, call.project_id, volume.size)
    parent = _parent(call, volume.id, snapshot) if flag(given, "incremental") else None
    name = text(given, "name") or ""
    fault = refuse_by_fault(call, "backup.create", name)
    backup = Backup(
        id=new_id(),
        name=name,
        project_id=call.project_id,
        user_id=call.user_id,
        volume_id=volume.id,
        size=volume.size,
        data_at=snapshot.created if snapshot else now(),
        container=text(given, "container") or DEFAULT_CONTAINER,
        snapshot_id=snapshot.id if snapshot else None,
        parent_id=parent.id if parent else None,
        description=text(given, "description"),
        metadata=metadata(given),
    )
    call.cloud.backups[backup.id] = backup
    before = volume.status
    if snapshot is None:
        volume.status = "backing-up"
    else:
        snapshot.status = "backing-up"
    backup_work.submit_create(call.cloud, backup, before, fault)
    return Reply({"backup": _summary(call, backup)}, 202)


def _snapshot(call: Call, given: Json, volume_id: str) -> Snapshot | None:
    asked = given.get("snapshot_id")
    if asked is None:
        return None
    snapshot = call.cloud.snapshots.get(str(asked))
    if snapshot is None or not call.sees(snapshot.project_id):
        raise ApiError(404, f"Snapshot {asked} could not be found.", "SnapshotNotFound")
    if snapshot.volume_id != volume_id:
        words = f"Volume {volume_id} does not match with snapshot.volume_id {snapshot.volume_id}."
        raise invalid_volume(words)
    if snapshot.status != "available":
        words = "Snapshot to be backed up must be available, but the current status is"
        raise ApiError(400, f'Invalid snapshot: {words} "{snapshot.status}".', "InvalidSnapshot")
    return snapshot


def _parent(call: Call, volume_id: str, snapshot: Snapshot | None) -> Backup | None:
    """The latest of what was there before the snapshot; if nothing was, whichever comes first: as Cinder has it."""
    found = [
        b for b in call.cloud.backups.values() if b.volume_id == volume_id and b.project_id == call.project_id
    ]
    if not found:
        raise _invalid("No backups available to do an incremental backup.")
    long_ago = datetime(1, 1, 1, tzinfo=UTC)
    latest = max(
        found, key=lambda b: b.data_at if snapshot is None or b.data_at < snapshot.created else long_ago
    )
    if latest.status != "available":
        raise _invalid("The parent backup must be available for incremental backup.")
    return latest


def _delete(call: Call) -> Reply:
    backup = _find(call)
    if backup.status not in {"available", "error"}:
        raise _invalid("Backup status must be available or error")
    if call.cloud.dependent_backups(backup.id):
        raise _invalid("Incremental backups exist for this backup.")
    backup_work.submit_delete(call.cloud, backup, refuse_by_fault(call, "backup.delete", backup.name))
    return Reply(None, 202)


def _invalid(words: str) -> ApiError:
    return ApiError(400, f"Invalid backup: {words}", "InvalidBackup")


ROUTES = [
    Route("GET", "/v3/backups", _list),
    Route("POST", "/v3/backups", _create),
    Route("GET", "/v3/backups/detail", _list_details),
    Route("GET", "/v3/backups/{id}", _show),
    Route("DELETE", "/v3/backups/{id}", _delete),
]
