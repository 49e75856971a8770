"""What nova-compute does with a new server: volumes, root disk, VM; and with one that is to go."""

import logging

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute import hardware
from coriolis_lab.openstack.compute.devices import Boot, Device
from coriolis_lab.openstack.records import Attachment, Server, Volume, now
from coriolis_lab.openstack.ssh import apply_ssh
from coriolis_lab.openstack.volume import tasks as volume_tasks
from coriolis_lab.openstack.volume.volumes import keep, new_volume
from coriolis_lab.openstack.web import ApiError, Call, new_id, seconds

LOG = logging.getLogger(__name__)
RUNNING, SHUTDOWN, NO_STATE = 1, 4, 0  # power_state
_GIB, _MIB = 1024**3, 1024**2


class _BuildError(Exception):
    """A reason to abort the build."""


def job_key(server_id: str) -> str:
    return f"server/{server_id}"


def submit(call: Call, server: Server, boot: Boot, fault: Fault | None) -> None:
    cloud = call.cloud
    cloud.jobs.submit(
        job_key(server.id), lambda: _build(call, server, boot, fault), cloud.settings.delays.server
    )


def _build(call: Call, server: Server, boot: Boot, fault: Fault | None) -> None:
    cloud = call.cloud
    if not _enter(cloud, server, "block_device_mapping"):
        return
    if fault and fault.kind == "stuck":
        return
    try:
        _abort_on_error(fault)
        _schedule(server)
        for device in boot.devices:
            _attach_device(call, server, device)
        _make_local_disks(cloud, server, boot)
        if not _enter(cloud, server, "spawning"):
            return
        start_fault = cloud.faults.strike("server.start", server.name) or fault
        with cloud.lock:
            spec = hardware.vm_spec(cloud, server, with_nics=not _is(start_fault, "no_address"))
        cloud.hypervisor.define_vm(spec)
        server.defined = True
        cloud.hypervisor.start_vm(server.id)
    except (HypervisorError, _BuildError) as error:
        LOG.warning("server %s (%s): %s", server.name, server.id, error)
        fail(cloud, server, f"Build of instance {server.id} aborted: {error}")
        return
    started(cloud, server)
    if start_fault and start_fault.kind == "die":
        plan_death(cloud, server, start_fault)


def _abort_on_error(fault: Fault | None) -> None:
    if fault and fault.kind == "error":
        raise _BuildError(fault.message or "No valid host was found. There are not enough hosts available.")


def _schedule(server: Server) -> None:
    """ImagePropertiesFilter: the only host there is runs QEMU."""
    wanted = server.image_properties.get("img_hv_type", "qemu")
    if wanted not in {"qemu", "kvm"}:
        raise _BuildError("No valid host was found. There are not enough hosts available.")


def fail_on_error(kind: str | None, what: str) -> None:
    """Has a planted "error" happen as if the hypervisor had met it."""
    if kind == "error":
        raise HypervisorError(f"The lab was told to fail {what}.")


def _is(fault: Fault | None, kind: str) -> bool:
    return fault is not None and fault.kind == kind


def _enter(cloud: Cloud, server: Server, task_state: str) -> bool:
    """False when the user has asked to delete it meanwhile: the deletion waits in the queue behind the
    build."""
    with cloud.lock:
        if server.task_state == "deleting":
            return False
        server.task_state = task_state
        return True


def _attach_device(call: Call, server: Server, device: Device) -> None:
    cloud = call.cloud
    volume = _device_volume(call, device)
    with cloud.lock:
        attachment = Attachment(
            id=new_id(),
            bdm_id=new_id(),
            server_id=server.id,
            volume_id=volume.id,
            device=hardware.device_name(server),
            delete_on_termination=device.delete_on_termination,
            boot_index=device.boot_index,
            tag=device.tag,
            disk_bus=device.disk_bus,
        )
        server.attachments.append(attachment)
        volume.attachments.append(attachment)
        volume.reservation = None
        volume.status, volume.updated = "in-use", now()


def _device_volume(call: Call, device: Device) -> Volume:
    """The given volume, or one made from the given source; Nova names those that it makes after nothing."""
    cloud = call.cloud
    with cloud.lock:
        if device.source_type == "volume":
            volume = cloud.volumes.get(device.uuid or "")
            if volume is None:
                raise _BuildError(f"Volume {device.uuid} could not be found.")
            return volume
        image_id = device.uuid if device.source_type == "image" else None
        try:
            volume = new_volume(
                call,
                name="",
                size=device.size,
                volume_type=device.volume_type,
                image_id=image_id,
                snapshot_id=device.uuid if device.source_type == "snapshot" else None,
            )
        except ApiError as refusal:
            raise _BuildError(refusal.message) from refusal
        keep(call, volume, image_id, submit=False)
    if not volume_tasks.create(cloud, volume, image_id):
        raise _BuildError(f"Volume {volume.id} did not finish being created: its status is {volume.status}.")
    return volume


def _make_local_disks(cloud: Cloud, server: Server, boot: Boot) -> None:
    """Named as Nova names them in Ceph's pool."""
    if boot.image is not None:
        disk_id = f"{server.id}_disk"
        cloud.disk_from_image(disk_id, boot.image.id, server.flavor.disk_gb * _GIB)
        with cloud.lock:
            server.root_disk = disk_id
    sizes = {"eph0": server.flavor.ephemeral_gb * _GIB, "swap": server.flavor.swap_mb * _MIB}
    for name, size in sizes.items():
        if size:
            disk_id = f"{server.id}_disk.{name}"
            cloud.hypervisor.create_disk(disk_id, size)
            with cloud.lock:
                server.local_disks.append(disk_id)


def started(cloud: Cloud, server: Server) -> None:
    """The VM runs: states, ports and SSH addresses follow. In a job of the server's."""
    with cloud.lock:
        if server.task_state == "deleting":
            return
        server.vm_state, server.power_state, server.fault = "active", RUNNING, None
        server.launched = server.launched or now()
        server.updated = now()
        # The hypervisor may remember addresses of an earlier start: a value that equals none has all told
        # anew.
        server.ssh = {port.mac: "" for port in cloud.server_ports(server)}
        for port in cloud.server_ports(server):
            port.status = "ACTIVE"
    apply_ssh(cloud, server.id)
    with cloud.lock:
        if server.task_state != "deleting":
            server.task_state = None


def stopped(cloud: Cloud, server: Server) -> None:
    with cloud.lock:
        server.vm_state, server.power_state, server.updated = "stopped", SHUTDOWN, now()
        server.ssh = {}
        for port in cloud.server_ports(server):
            port.status = "DOWN"
        if server.task_state != "deleting":
            server.task_state = None


def fail(cloud: Cloud, server: Server, message: str) -> None:
    """ERROR, and why."""
    with cloud.lock:
        server.vm_state, server.power_state, server.updated = "error", NO_STATE, now()
        server.fault = {"code": 500, "created": seconds(now()), "message": message, "details": message}
        if server.task_state != "deleting":
            server.task_state = None


def plan_death(cloud: Cloud, server: Server, fault: Fault) -> None:
    def die() -> None:
        with cloud.lock:
            alive = server.id in cloud.servers and server.vm_state == "active"
        if alive:
            cloud.hypervisor.stop_vm(server.id, force=True)

    cloud.jobs.submit(f"fault/{server.id}", die, fault.seconds)


def submit_delete(cloud: Cloud, server: Server, fault: str | None) -> None:
    server.task_state, server.updated = "deleting", now()
    cloud.jobs.submit(job_key(server.id), lambda: _delete(cloud, server, fault), cloud.settings.delays.delete)


def _delete(cloud: Cloud, server: Server, fault: str | None) -> None:
    if fault == "stuck":
        return
    try:
        fail_on_error(fault, "this deletion")
        if server.defined:
            cloud.hypervisor.undefine_vm(server.id)
            server.defined = False
        while server.local_disks:
            cloud.hypervisor.delete_disk(server.local_disks[-1])
            server.local_disks.pop()
        if server.root_disk:
            cloud.hypervisor.delete_disk(server.root_disk)
            server.root_disk = None
    except HypervisorError as error:
        server.task_state = None
        fail(cloud, server, str(error))
        return
    with cloud.lock:
        if fault != "forget_volumes":
            _release_reserved(cloud, server)
        _release_volumes(cloud, server)
        for port in cloud.server_ports(server):
            _release_port(cloud, port.id)
        cloud.servers.pop(server.id, None)


def _release_reserved(cloud: Cloud, server: Server) -> None:
    """Of a build that never came to attach them."""
    for volume in cloud.volumes.values():
        if volume.reservation and volume.reservation.server_id == server.id:
            volume.reservation = None
            volume.status, volume.updated = "available", now()


def _release_volumes(cloud: Cloud, server: Server) -> None:
    """Detached volumes become available, or go with the server when they were said to."""
    for attachment in list(server.attachments):
        volume = cloud.volumes.get(attachment.volume_id)
        cloud.forget_attachment(attachment)
        if volume:
            volume.status, volume.updated = "available", now()
            if attachment.delete_on_termination and not cloud.volume_snapshots(volume.id):
                volume_tasks.submit_delete(cloud, volume)


def _release_port(cloud: Cloud, port_id: str) -> None:
    """Nova's own ports go, the user's own are left unbound. Floating IPs stay, without a port."""
    port = cloud.ports[port_id]
    if not port.made_by_nova:
        port.device_id = port.device_owner = ""
        port.status = "DOWN"
        return
    for fip in cloud.floating_ips.values():
        if fip.port_id == port_id:
            fip.port_id = fip.fixed_address = None
    del cloud.ports[port_id]
