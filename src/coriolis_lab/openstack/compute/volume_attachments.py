"""/servers/{id}/os-volume_attachments"""

from coriolis_lab.hypervisor.api import HypervisorError, VmDisk
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute import hardware
from coriolis_lab.openstack.compute.bodies import check_fields, check_state, find_server, flag, integer
from coriolis_lab.openstack.compute.build import LOG, fail_on_error, job_key
from coriolis_lab.openstack.compute.devices import check_available
from coriolis_lab.openstack.records import Attachment, Server, Volume, now
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, new_id, refuse_by_fault

_VM_STATES = ("active", "paused", "stopped")


def _view(call: Call, attachment: Attachment) -> Json:
    """2.70 brought the tag, 2.79 delete_on_termination; 2.89 dropped `id` for the two ids that it never
    was."""
    view: Json = {
        "volumeId": attachment.volume_id,
        "serverId": attachment.server_id,
        "device": attachment.device,
    }
    if call.at_least(70):
        view["tag"] = attachment.tag
    if call.at_least(79):
        view["delete_on_termination"] = attachment.delete_on_termination
    if call.at_least(89):
        view["attachment_id"] = attachment.id
        view["bdm_uuid"] = attachment.bdm_id
    else:
        view["id"] = attachment.volume_id
    return view


def _list(call: Call) -> Reply:
    server = find_server(call)
    start = integer("offset", call.query.get("offset", 0))
    end = start + integer("limit", call.query["limit"]) if "limit" in call.query else None
    return Reply({"volumeAttachments": [_view(call, a) for a in server.attachments[start:end]]})


def _find(call: Call, server: Server) -> Attachment:
    volume_id = call.ids["volume"]
    for attachment in server.attachments:
        if attachment.volume_id == volume_id:
            return attachment
    raise ApiError(404, f"Instance {server.id} is not attached to volume {volume_id}")


def _show(call: Call) -> Reply:
    return Reply({"volumeAttachment": _view(call, _find(call, find_server(call)))})


def _attach(call: Call) -> Reply:
    server = find_server(call)
    given = call.member("volumeAttachment")
    allowed = {"volumeId", "device"}
    allowed |= {"tag"} if call.at_least(49) else set()
    allowed |= {"delete_on_termination"} if call.at_least(79) else set()
    check_fields("volumeAttachment", given, allowed)
    volume = call.cloud.volumes.get(str(given.get("volumeId")))
    if volume is None or not call.sees(volume.project_id):
        raise ApiError(404, f"Volume {given.get('volumeId')} could not be found.")
    if any(attachment.volume_id == volume.id for attachment in server.attachments):
        raise ApiError(
            400, f"Invalid volume: volume {volume.id} is already attached to instances: {server.id}"
        )
    check_state(call, server, "attach_volume", _VM_STATES)
    check_available(volume)
    fault = refuse_by_fault(call, "volume.attach", volume.name)
    attachment = Attachment(
        id=new_id(),
        bdm_id=new_id(),
        server_id=server.id,
        volume_id=volume.id,
        device=hardware.device_name(server),
        delete_on_termination=flag(given, "delete_on_termination"),
        tag=given.get("tag"),
    )
    server.attachments.append(attachment)
    volume.status, volume.updated = "reserved", now()
    cloud = call.cloud
    cloud.jobs.submit(
        job_key(server.id),
        lambda: _attach_job(cloud, server, volume, attachment, fault),
        cloud.settings.delays.attach,
    )
    view = _view(call, attachment)
    for name in ("attachment_id", "bdm_uuid"):
        view.pop(name, None)
    return Reply({"volumeAttachment": {**view, "id": volume.id}})


def _attach_job(
    cloud: Cloud, server: Server, volume: Volume, attachment: Attachment, fault: str | None
) -> None:
    with cloud.lock:
        volume.status = "attaching"
        bus = hardware.disk_bus(server)
    if fault == "stuck":
        return
    try:
        fail_on_error(fault, "this attachment")
        cloud.hypervisor.attach_disk(server.id, VmDisk(volume.id, bus))
    except HypervisorError as error:
        # Nova rolls back: the volume is free again, and only the log tells; a fault leaves Cinder's own
        # error.
        LOG.warning("volume %s to server %s: %s", volume.id, server.id, error)
        with cloud.lock:
            cloud.forget_attachment(attachment)
            volume.status, volume.updated = "error_attaching" if fault == "error" else "available", now()
        return
    with cloud.lock:
        attachment.attached = now()
        volume.attachments.append(attachment)
        volume.status, volume.updated = "in-use", now()


def _update(call: Call) -> Reply:
    """Changes delete_on_termination (since 2.85); swapping volumes is the administrator's and not done
    here."""
    server = find_server(call)
    attachment = _find(call, server)
    given = call.member("volumeAttachment")
    if not call.at_least(85) or given.get("volumeId") not in (None, attachment.volume_id):
        raise ApiError(
            403, "Policy doesn't allow os_compute_api:os-volumes-attachments:swap to be performed."
        )
    attachment.delete_on_termination = flag(given, "delete_on_termination", attachment.delete_on_termination)
    return Reply(None, 202)


def _detach(call: Call) -> Reply:
    server = find_server(call)
    if call.ids["volume"] not in call.cloud.volumes:
        raise ApiError(404, f"Volume {call.ids['volume']} could not be found.")
    attachment = _find(call, server)
    volume = call.cloud.volumes[attachment.volume_id]
    if attachment.boot_index == 0:
        raise ApiError(400, "Cannot detach a root device volume")
    check_state(call, server, "detach_volume", _VM_STATES)
    if volume.status != "in-use":
        message = (
            f"Invalid volume: Invalid input received: Invalid volume: Unable to detach volume. "
            f"Volume status must be 'in-use' and attach_status must be 'attached' to detach. "
            f"Currently: status: '{volume.status}', attach_status: 'attaching'."
        )
        raise ApiError(400, message)
    fault = refuse_by_fault(call, "volume.detach", volume.name)
    volume.status, volume.updated = "detaching", now()
    cloud = call.cloud
    cloud.jobs.submit(
        job_key(server.id),
        lambda: _detach_job(cloud, server, volume, attachment, fault),
        cloud.settings.delays.attach,
    )
    return Reply(None, 202)


def _detach_job(
    cloud: Cloud, server: Server, volume: Volume, attachment: Attachment, fault: str | None
) -> None:
    if fault == "stuck":
        return
    try:
        fail_on_error(fault, "this detachment")
        cloud.hypervisor.detach_disk(server.id, volume.id)
    except HypervisorError as error:
        # A guest that does not let go keeps the volume: Nova rolls back to in-use.
        LOG.warning("volume %s from server %s: %s", volume.id, server.id, error)
        with cloud.lock:
            volume.status, volume.updated = "error_detaching" if fault == "error" else "in-use", now()
        return
    with cloud.lock:
        cloud.forget_attachment(attachment)
        volume.status, volume.updated = "available", now()


ROUTES = [
    Route("GET", "/v2.1/servers/{id}/os-volume_attachments", _list),
    Route("POST", "/v2.1/servers/{id}/os-volume_attachments", _attach),
    Route("GET", "/v2.1/servers/{id}/os-volume_attachments/{volume}", _show),
    Route("PUT", "/v2.1/servers/{id}/os-volume_attachments/{volume}", _update),
    Route("DELETE", "/v2.1/servers/{id}/os-volume_attachments/{volume}", _detach),
]
