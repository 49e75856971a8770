"""/attachments (since 3.27), to read; removing them is Nova's affair while it knows the server."""

from coriolis_lab.openstack.records import Attachment, Volume, now
from coriolis_lab.openstack.volume.bodies import nova_uses
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, micros


def _mine(call: Call) -> list[tuple[Volume, Attachment]]:
    if not call.at_least(27):
        raise ApiError(404, "The resource could not be found.", "HTTPNotFound")
    volumes = [v for v in call.cloud.volumes.values() if v.project_id == call.project_id]
    wanted = call.query.get("volume_id")
    return [
        (volume, attachment)
        for volume in volumes
        for attachment in [*volume.attachments, *([volume.reservation] if volume.reservation else [])]
        if wanted in {None, volume.id}
    ]


def _view(volume: Volume, attachment: Attachment) -> Json:
    return {
        "id": attachment.id,
        "status": "attached" if volume.status in {"in-use", "detaching"} else volume.status,
        "instance": attachment.server_id,
        "volume_id": volume.id,
    }


def _list(call: Call) -> Reply:
    return Reply({"attachments": [_view(volume, attachment) for volume, attachment in _mine(call)]})


def _list_details(call: Call) -> Reply:
    return Reply({"attachments": [_details(volume, attachment) for volume, attachment in _mine(call)]})


def _details(volume: Volume, attachment: Attachment) -> Json:
    return {
        **_view(volume, attachment),
        "attached_at": micros(attachment.attached),
        "detached_at": None,
        "attach_mode": "ro" if volume.readonly else "rw",
        "connection_info": {},
    }


def _find(call: Call) -> tuple[Volume, Attachment]:
    for volume, attachment in _mine(call):
        if attachment.id == call.ids["id"]:
            return volume, attachment
    message = f"Volume attachment could not be found with filter: attachment_id = {call.ids['id']}."
    raise ApiError(404, message, "VolumeAttachmentNotFound")


def _show(call: Call) -> Reply:
    return Reply({"attachment": _details(*_find(call))})


def _delete(call: Call) -> Reply:
    volume, attachment = _find(call)
    if attachment.server_id in call.cloud.servers:
        raise nova_uses(attachment.server_id)
    volume.reservation = None
    volume.status, volume.updated = "available", now()
    left = [_view(volume, other) for other in volume.attachments]
    return Reply({"attachments": left})


ROUTES = [
    Route("GET", "/v3/attachments", _list),
    Route("GET", "/v3/attachments/detail", _list_details),
    Route("GET", "/v3/attachments/{id}", _show),
    Route("DELETE", "/v3/attachments/{id}", _delete),
]
