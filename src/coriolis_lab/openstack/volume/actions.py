"""POST /volumes/{id}/action"""

from collections.abc import Callable
from typing import Any

from coriolis_lab.openstack.records import Volume, now
from coriolis_lab.openstack.volume import quota, tasks
from coriolis_lab.openstack.volume.bodies import (
    admin_only,
    flag,
    invalid,
    invalid_volume,
    metadata,
    nova_uses,
    positive,
)
from coriolis_lab.openstack.volume.volumes import find
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route

_STATUSES = {
    "creating",
    "available",
    "deleting",
    "error",
    "error_deleting",
    "error_managing",
    "managing",
    "attaching",
    "in-use",
    "detaching",
    "maintenance",
    "restoring-backup",
    "error_restoring",
    "reserved",
    "awaiting-transfer",
    "backing-up",
    "error_backing-up",
    "error_extending",
    "downloading",
    "uploading",
    "retyping",
    "extending",
}


def _extend(call: Call, volume: Volume, given: Json) -> Reply:
    size = positive("new_size", given.get("new_size"))
    if size <= volume.size:
        raise invalid(
            "New size for extend must be greater than current size. "
            f"(current: {volume.size}, extended: {size})."
        )
    allowed = {"available", "in-use"} if call.at_least(42) else {"available"}
    if volume.status not in allowed:
        raise invalid_volume(
            f"Volume {volume.id} status must be {' or '.join(sorted(allowed))} to extend, "
            f"but current status is: {volume.status}."
        )
    quota.check(call.cloud, volume.project_id, gigabytes=size - volume.size)
    tasks.submit_extend(call.cloud, volume, size)
    return Reply(None, 202)


def _set_bootable(_call: Call, volume: Volume, given: Json) -> Reply:
    volume.bootable = flag(given, "bootable")
    return Reply(None, 200)


def _set_readonly(_call: Call, volume: Volume, given: Json) -> Reply:
    volume.readonly = flag(given, "readonly")
    return Reply(None, 202)


def _reset_status(call: Call, volume: Volume, given: Json) -> Reply:
    admin_only(call, "volume_admin_actions:reset_status")
    status = given.get("status")
    if status is not None:
        if status not in _STATUSES:
            raise invalid(f"Must specify a valid status: {status}")
        volume.status = status
    if given.get("attach_status") == "detached":
        for attachment in list(volume.attachments):
            call.cloud.forget_attachment(attachment)
    return Reply(None, 202)


def _force_delete(call: Call, volume: Volume, _given: Json) -> Reply:
    admin_only(call, "volume_admin_actions:force_delete")
    if volume.attachments:
        raise invalid_volume("Volume is still attached.")
    tasks.submit_delete(call.cloud, volume)
    return Reply(None, 202)


def _set_image_metadata(_call: Call, volume: Volume, given: Json) -> Reply:
    volume.image_metadata.update(metadata(given))
    return Reply({"metadata": dict(volume.image_metadata)})


def _unset_image_metadata(_call: Call, volume: Volume, given: Json) -> Reply:
    key = str(given.get("key"))
    if volume.image_metadata.pop(key, None) is None:
        raise ApiError(404, "Metadata item was not found.", "GlanceMetadataNotFound")
    return Reply(None, 200)


def _show_image_metadata(_call: Call, volume: Volume, _given: Json) -> Reply:
    return Reply({"metadata": dict(volume.image_metadata)})


def _revert(call: Call, volume: Volume, given: Json) -> Reply:
    snapshots = call.cloud.volume_snapshots(volume.id)
    latest = max(snapshots, key=lambda snapshot: snapshot.created, default=None)
    if latest is None or latest.id != given.get("snapshot_id"):
        words = f"Specified snapshot {given.get('snapshot_id')} is not the latest one of volume {volume.id}."
        raise invalid(words)
    if volume.status != "available":
        raise invalid_volume(
            f"Volume {volume.id} status must be available, but current status is: {volume.status}."
        )
    tasks.submit_revert(call.cloud, volume, latest)
    return Reply(None, 202)


def _detach(_call: Call, volume: Volume, _given: Json) -> Reply:
    if volume.attachments:
        raise nova_uses(volume.attachments[0].server_id)
    volume.status = "available"
    return Reply(None, 202)


_ACTIONS: dict[str, Callable[[Call, Volume, Json], Reply]] = {
    "os-extend": _extend,
    "os-set_bootable": _set_bootable,
    "os-update_readonly_flag": _set_readonly,
    "os-reset_status": _reset_status,
    "os-force_delete": _force_delete,
    "os-set_image_metadata": _set_image_metadata,
    "os-unset_image_metadata": _unset_image_metadata,
    "os-show_image_metadata": _show_image_metadata,
    "os-detach": _detach,
    "os-force_detach": _detach,
    "os-terminate_connection": _detach,
    "revert": _revert,
}


def _act(call: Call) -> Reply:
    volume = find(call, call.ids["id"])
    if not isinstance(call.body, dict) or len(call.body) != 1:
        raise ApiError(400, "There must be exactly one action in the body", "HTTPBadRequest")
    name, given = next(iter(call.body.items()))
    if name not in _ACTIONS or (name == "revert" and not call.at_least(40)):
        retry = "Verify the request body and Content-Type header and try again."
        raise ApiError(400, f"There is no such action: {name}. {retry}", "HTTPBadRequest")
    reply = _ACTIONS[name](call, volume, _object(given))
    volume.updated = now()
    return reply


def _object(given: Any) -> Json:
    return given if isinstance(given, dict) else {}


ROUTES = [Route("POST", "/v3/volumes/{id}/action", _act)]
