"""createImage: a Glance image of a server's root disk or, booted from a volume, of snapshots of all its volumes.

States, order and words as in Nova (`compute/api.py`, `compute/manager.py` and the libvirt driver of Zed).
"""

import json
import logging
import time
from typing import Any

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute.bodies import check_fields, check_state, required_text, string_map
from coriolis_lab.openstack.compute.build import fail_on_error, job_key
from coriolis_lab.openstack.records import Attachment, Image, Server, Snapshot, now
from coriolis_lab.openstack.volume.snapshots import new_snapshot
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, new_id, refuse_by_fault

LOG = logging.getLogger(__name__)
_VM_STATES = ("active", "stopped", "paused", "suspended")
_POLL_SECONDS = 0.05  # Nova looks twice a second whether Cinder has finished
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})


def create_image(call: Call, server: Server, given: Any) -> Reply:
    """Unlocked: a guest that freezes its file systems takes its time."""
    with call.cloud.lock:
        given = given if isinstance(given, dict) else {}
        check_fields("createImage", given, {"name", "metadata"})
        name = required_text("createImage", given, "name")
        image = _image(call, server, name, string_map(given.get("metadata")))
        check_state(call, server, "createImage", _VM_STATES, heeds_lock=False)
        if server.image_id is not None:
            fault = refuse_by_fault(call, "image.create", name)
            _begin(call.cloud, server, image, fault)
    if server.image_id is None:
        _of_volumes(call, server, image)
    if call.at_least(45):
        return Reply({"image_id": image.id}, 202)
    return Reply(None, 202, {"Location": f"{call.base}/image/v2/images/{image.id}"})


def _image(call: Call, server: Server, name: str, metadata: dict[str, str]) -> Image:
    """Inherits what the server was booted with; its own disk has the flavor's size at least."""
    properties = {**server.image_properties, "instance_uuid": server.id, "user_id": call.user_id}
    if server.image_id is not None:
        properties |= {"image_type": "snapshot", "base_image_ref": server.image_id}
    return Image(
        id=new_id(),
        name=name,
        owner=server.project_id,
        hypervisor_id="",
        disk_format=None,
        size_bytes=None,
        min_disk=server.flavor.disk_gb,
        min_ram=0,
        properties=properties | metadata,
        visibility="private",
        status="queued",
    )


def _begin(cloud: Cloud, server: Server, image: Image, fault: str | None) -> None:
    cloud.images[image.id] = image
    server.task_state, server.updated = "image_snapshot_pending", now()
    cloud.jobs.submit(
        job_key(server.id), lambda: _of_root_disk(cloud, server, image, fault), cloud.settings.delays.snapshot
    )


def _of_root_disk(cloud: Cloud, server: Server, image: Image, fault: str | None) -> None:
    """A failure deletes the image, and only Nova's log tells why."""
    if fault == "stuck":
        return
    try:
        _enter(cloud, server, "image_snapshot")
        _enter(cloud, server, "image_pending_upload")
        fail_on_error(fault, "this snapshot")
        cloud.hypervisor.snapshot_disks({server.root_disk or "": image.id})
        with cloud.lock:
            image.snapshot_id = image.id
        _enter(cloud, server, "image_uploading")
        _upload(cloud, server, image)
    except HypervisorError as error:
        LOG.warning("image %s of server %s: %s", image.id, server.id, error)
        with cloud.lock:
            cloud.images.pop(image.id, None)
        if image.snapshot_id is not None:
            cloud.hypervisor.delete_snapshot(image.snapshot_id)
    with cloud.lock:
        if server.task_state != "deleting":
            server.task_state = None


def _upload(cloud: Cloud, server: Server, image: Image) -> None:
    """With Ceph the image's data are a flattened clone; else they are copied as qcow2, and the image is `saving`."""
    if not cloud.rbd:
        with cloud.lock:
            image.status = "saving"
    cloud.jobs.stopping.wait(cloud.settings.delays.disk)
    with cloud.lock:
        if image.id in cloud.images:
            image.disk_format = "raw" if cloud.rbd else "qcow2"
            image.size_bytes = server.flavor.disk_gb << 30
            image.status, image.updated = "active", now()
            return
    cloud.hypervisor.delete_snapshot(image.id)  # the user has deleted the image meanwhile


def _enter(cloud: Cloud, server: Server, task_state: str) -> None:
    """Raises HypervisorError for a server that is to be deleted meanwhile."""
    with cloud.lock:
        if server.task_state == "deleting":
            raise HypervisorError("Instance disappeared during snapshot")
        server.task_state = task_state


def _of_volumes(call: Call, server: Server, image: Image) -> None:
    """No data: `block_device_mapping` names the snapshots. Those that were made before a failure stay."""
    cloud = call.cloud
    with cloud.lock:
        fault = refuse_by_fault(call, "image.create", image.name)
        attachments = list(server.attachments)
        _check_snapshot_quota(cloud, server, len(attachments))
    frozen = server.vm_state == "active" and _quiesce(call, server)
    snapshots: list[Snapshot] = []
    try:
        for attachment in attachments:
            with cloud.lock:
                volume = cloud.volumes[attachment.volume_id]
                snapshots.append(new_snapshot(call, volume, f"snapshot for {image.name}"))
        if fault == "error":
            raise ApiError(500, "Unexpected API Error. The lab was told so.")
    finally:
        if frozen:
            key = f"quiesce/{server.id}"
            cloud.jobs.submit(key, lambda: _unquiesce(cloud, server.id, snapshots))
    mapping = [_mapped(*pair) for pair in zip(attachments, snapshots, strict=True)]
    image.properties |= {
        "root_device_name": attachments[0].device if attachments else "/dev/vda",
        "block_device_mapping": json.dumps(mapping),
        "bdm_v2": "True",
    }
    image.disk_format, image.size_bytes, image.status = "qcow2", 0, "active"
    with cloud.lock:
        cloud.images[image.id] = image


def _check_snapshot_quota(cloud: Cloud, server: Server, wanted: int) -> None:
    limit = cloud.quota(server.project_id).volume["snapshots"]
    used = sum(snapshot.project_id == server.project_id for snapshot in cloud.snapshots.values())
    if 0 <= limit < used + wanted:
        raise ApiError(403, "Quota exceeded for resources: snapshots")


def _quiesce(call: Call, server: Server) -> bool:
    """A guest that cannot be frozen is left alone without a word, unless its image insists."""
    insists = _is_set(server, "os_require_quiesce")
    if not _is_set(server, "hw_qemu_guest_agent"):
        if insists:
            raise ApiError(400, "QEMU guest agent is not enabled")
        return False
    try:
        call.cloud.hypervisor.freeze_guest(server.id)
    except HypervisorError as error:
        LOG.info("Skipping quiescing instance: %s.", error)
        if insists:
            words = (
                "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the "
            )
            words += "Nova API log if possible.\n<class 'nova.exception_Remote.InternalError_Remote'>"
            raise ApiError(500, words) from error
        return False
    return True


def _is_set(server: Server, name: str) -> bool:
    return server.image_properties.get(name, "").lower() in _TRUE


def _unquiesce(cloud: Cloud, server_id: str, snapshots: list[Snapshot]) -> None:
    """Once Cinder has all of them."""
    while any(snapshot.status == "creating" for snapshot in snapshots):
        if cloud.jobs.stopping.is_set():
            break
        time.sleep(_POLL_SECONDS)
    try:
        cloud.hypervisor.thaw_guest(server_id)
    except HypervisorError as error:
        LOG.warning("server %s: %s", server_id, error)


def _mapped(attachment: Attachment, snapshot: Snapshot) -> Json:
    return {
        "source_type": "snapshot",
        "destination_type": "volume",
        "snapshot_id": snapshot.id,
        "volume_size": snapshot.size,
        "boot_index": attachment.boot_index,
        "device_name": attachment.device,
        "disk_bus": attachment.disk_bus,
        "delete_on_termination": attachment.delete_on_termination,
        "volume_id": None,
        "image_id": None,
    }
