"""/snapshots"""

from coriolis_lab.openstack.records import Snapshot, Volume, now
from coriolis_lab.openstack.volume import quota, tasks
from coriolis_lab.openstack.volume.bodies import (
    admin_only,
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

_FORCE_IS_DEFAULT = (
    66  # the microversion since which in-use volumes are snapshotted without being asked twice
)

_NO_FORCE = (  # the misspelling is Cinder's
    "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, "
    "however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored."
)


def _summary(_call: Call, snapshot: Snapshot) -> Json:
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size,
        "created_at": micros(snapshot.created),
        "updated_at": micros(snapshot.updated),
        "metadata": dict(snapshot.metadata),
    }


def _detail(call: Call, snapshot: Snapshot) -> Json:
    view = _summary(call, snapshot)
    view["os-extended-snapshot-attributes:progress"] = snapshot.progress
    view["os-extended-snapshot-attributes:project_id"] = snapshot.project_id
    if call.at_least(14):
        view["group_snapshot_id"] = None
    if call.at_least(41):
        view["user_id"] = snapshot.user_id
    if call.at_least(65):
        view["consumes_quota"] = True
    return view


def _find(call: Call) -> Snapshot:
    snapshot = call.cloud.snapshots.get(call.ids["id"])
    if snapshot is None or not call.sees(snapshot.project_id):
        raise ApiError(404, f"Snapshot {call.ids['id']} could not be found.", "SnapshotNotFound")
    return snapshot


def _seen(call: Call) -> list[Snapshot]:
    everyone = call.is_admin and call.flag("all_tenants")
    return [s for s in call.cloud.snapshots.values() if everyone or s.project_id == call.project_id]


def _list(call: Call) -> Reply:
    return listing(call, "snapshots", _seen(call), _summary)


def _list_details(call: Call) -> Reply:
    return listing(call, "snapshots", _seen(call), _detail)


def _show(call: Call) -> Reply:
    return Reply({"snapshot": _detail(call, _find(call))})


def _create(call: Call) -> Reply:
    given = call.member("snapshot")
    check_fields("snapshot", given, {"name", "description", "volume_id", "force", "metadata"})
    if "volume_id" not in given:
        raise invalid_field("snapshot", given, "'volume_id' is a required property")
    volume = find_volume(call, str(given["volume_id"]))
    force = flag(given, "force")
    if call.at_least(_FORCE_IS_DEFAULT):
        if "force" in given and not force:
            raise ApiError(400, _NO_FORCE)
        force = True
    allowed = {"available", "in-use"} if force else {"available"}
    if volume.status not in allowed:
        shown = "available" if not force else "available or in-use"
        raise invalid_volume(
            f"Volume {volume.id} status must be {shown}, but current status is: {volume.status}."
        )
    snapshot = new_snapshot(call, volume, text(given, "name") or "")
    snapshot.description, snapshot.metadata = text(given, "description"), metadata(given)
    return Reply({"snapshot": _summary(call, snapshot)}, 202)


def new_snapshot(call: Call, volume: Volume, name: str) -> Snapshot:
    """Checked against the quota, kept, and begun."""
    quota.check(call.cloud, volume.project_id, gigabytes=volume.size, snapshots=1)
    fault = refuse_by_fault(call, "snapshot.create", name)
    snapshot = Snapshot(
        id=new_id(),
        name=name,
        project_id=volume.project_id,
        user_id=call.user_id,
        volume_id=volume.id,
        size=volume.size,
    )
    call.cloud.snapshots[snapshot.id] = snapshot
    tasks.submit_snapshot_create(call.cloud, snapshot, fault)
    return snapshot


def _update(call: Call) -> Reply:
    snapshot = _find(call)
    given = call.member("snapshot")
    check_fields("snapshot", given, {"name", "description"})
    if "name" in given:
        snapshot.name = text(given, "name") or ""
    if "description" in given:
        snapshot.description = text(given, "description")
    snapshot.updated = now()
    return Reply({"snapshot": _summary(call, snapshot)})


def _delete(call: Call) -> Reply:
    snapshot = _find(call)
    if snapshot.status not in {"available", "error"}:
        words = "Volume Snapshot status must be available or error"
        raise ApiError(400, f"Invalid snapshot: {words}.", "InvalidSnapshot")
    fault = refuse_by_fault(call, "snapshot.delete", snapshot.name)
    tasks.submit_snapshot_delete(call.cloud, snapshot, fault)
    return Reply(None, 202)


def _act(call: Call) -> Reply:
    snapshot = _find(call)
    given = call.body if isinstance(call.body, dict) else {}
    if "os-reset_status" in given:
        admin_only(call, "snapshot_admin_actions:reset_status")
        snapshot.status = str(given["os-reset_status"].get("status"))
    elif "os-force_delete" in given:
        admin_only(call, "snapshot_admin_actions:force_delete")
        tasks.submit_snapshot_delete(call.cloud, snapshot)
    else:
        raise ApiError(400, f"There is no such action: {next(iter(given), None)}", "HTTPBadRequest")
    return Reply(None, 202)


def _metadata(call: Call) -> Reply:
    snapshot = _find(call)
    if call.method == "POST":
        snapshot.metadata.update(metadata(call.body))
    elif call.method == "PUT":
        snapshot.metadata = metadata(call.body)
    return Reply({"metadata": dict(snapshot.metadata)})


ROUTES = [
    Route("GET", "/v3/snapshots", _list),
    Route("POST", "/v3/snapshots", _create),
    Route("GET", "/v3/snapshots/detail", _list_details),
    Route("GET", "/v3/snapshots/{id}", _show),
    Route("PUT", "/v3/snapshots/{id}", _update),
    Route("DELETE", "/v3/snapshots/{id}", _delete),
    Route("POST", "/v3/snapshots/{id}/action", _act),
    *(Route(method, "/v3/snapshots/{id}/metadata", _metadata) for method in ("GET", "POST", "PUT")),
]
