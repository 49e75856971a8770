"""Nova: building, states, disks, addresses, keys, and what it refuses."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openstack import exceptions
from openstack.connection import Connection

from coriolis_lab.faults import Fault
from coriolis_lab.hypervisor.api import Bus, Machine
from tests.conformance.openstack.conftest import GIB, Lab, until, until_status


@pytest.fixture(autouse=True)
def nothing_left(cloud: Connection, lab: Lab) -> Iterator[None]:
    yield
    lab.faults.clear()
    for server in cloud.compute.servers(details=False):
        cloud.compute.post(f"/servers/{server.id}/action", json={"unlock": None})
        cloud.compute.delete_server(server)
    until(lambda: list(cloud.compute.servers(details=False)), lambda left: not left)
    until(lambda: set(lab.hypervisor.specs), lambda left: not left)
    for fip in cloud.network.ips():
        cloud.network.delete_ip(fip)
    for volume in cloud.block_storage.volumes():
        cloud.block_storage.delete(f"/volumes/{volume.id}?cascade=true")
    until(lambda: list(cloud.block_storage.volumes(details=False)), lambda left: not left)


def server(cloud: Connection, lab: Lab, name: str = "vm", **given: Any) -> Any:
    wanted = {"image_id": lab.image, "flavor_id": lab.flavor, "networks": [{"uuid": lab.private}], **given}
    made = cloud.compute.create_server(name=name, **{key: v for key, v in wanted.items() if v is not None})
    return until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE")


def volume(cloud: Connection, **given: Any) -> Any:
    made = cloud.block_storage.create_volume(**{"size": 1, **given})
    return until_status(lambda: cloud.block_storage.get_volume(made.id), "available")


def refused(cloud: Connection, lab: Lab, **given: Any) -> tuple[int, str]:
    """Status and message of Nova's answer to a bad server."""
    body = {"name": "bad", "imageRef": lab.image, "flavorRef": lab.flavor, "networks": "none", **given}
    answer = cloud.compute.post("/servers", json={"server": body}, microversion="2.60")
    assert answer.status_code >= 400, answer.text
    return answer.status_code, next(iter(answer.json().values()))["message"]


def test_server_from_image(cloud: Connection, lab: Lab) -> None:
    key = cloud.compute.create_keypair(name="key")
    assert key.private_key.startswith("-----BEGIN RSA PRIVATE KEY-----")
    user_data = b"#cloud-config\n"
    made = server(
        cloud,
        lab,
        "web.1",
        key_name="key",
        user_data=base64.b64encode(user_data).decode(),
        metadata={"a": "b"},
    )
    assert (made.vm_state, made.task_state, made.power_state) == ("active", None, 1)
    assert made.launched_at
    assert made.image.id == lab.image
    assert not made.has_config_drive
    spec = lab.hypervisor.specs[made.id]
    assert (spec.memory_mb, spec.cpus, spec.machine, spec.uefi) == (512, 1, Machine.PC, False)
    assert lab.hypervisor.disks[f"{made.id}_disk"] == 4 * GIB
    assert [(disk.bus, disk.boot_index) for disk in spec.disks] == [(Bus.VIRTIO, 0)]
    nic = spec.nics[0]
    assert made.addresses["private"][0]["addr"] == nic.address
    assert nic.network == "10.20.0.0/24"
    drive = spec.config_drive
    assert drive is not None
    assert drive["openstack/latest/user_data"] == user_data
    meta = json.loads(drive["openstack/latest/meta_data.json"])
    assert (meta["uuid"], meta["hostname"], meta["meta"]) == (made.id, "web-1.novalocal", {"a": "b"})
    assert meta["public_keys"] == {"key": key.public_key}
    network = json.loads(drive["openstack/latest/network_data.json"])
    assert network["links"][0]["ethernet_mac_address"] == nic.mac
    assert network["networks"][0]["type"] == "ipv4_dhcp"
    cloud.compute.delete_server(made)
    cloud.compute.wait_for_delete(made, interval=0.05)
    assert lab.hypervisor.disks == {}
    assert list(cloud.network.ports()) == []
    cloud.compute.delete_keypair("key", ignore_missing=False)


def test_server_from_volume_with_scsi_and_uefi(cloud: Connection, lab: Lab) -> None:
    properties = {
        "hw_disk_bus": "scsi",
        "hw_scsi_model": "vmpvscsi",
        "hw_vif_model": "vmxnet3",
        "hw_machine_type": "q35",
        "hw_firmware_type": "uefi",
    }
    image = lab.front.add_image("vmware-like", "base-vmware", "qcow2", 2 * GIB, 2, properties)
    boot = volume(cloud, size=3, image_id=image)
    mapping = {"boot_index": 0, "uuid": boot.id, "source_type": "volume", "destination_type": "volume"}
    made = server(
        cloud,
        lab,
        image_id=None,
        flavor_id=lab.volume_flavor,
        config_drive=True,
        block_device_mapping=[{**mapping, "delete_on_termination": True}],
    )
    assert made.has_config_drive
    assert cloud.compute.get(f"/servers/{made.id}").json()["server"]["image"] == ""
    assert made.attached_volumes[0]["id"] == boot.id
    spec = lab.hypervisor.specs[made.id]
    assert (spec.machine, spec.uefi, spec.nics[0].model) == (Machine.Q35, True, "vmxnet3")
    assert [(disk.disk_id, disk.bus, disk.boot_index) for disk in spec.disks] == [(boot.id, Bus.PVSCSI, 0)]
    attached = cloud.block_storage.get_volume(boot.id)
    assert (attached.status, attached.attachments[0]["device"]) == ("in-use", "/dev/sda")
    answer = cloud.compute.delete(f"/servers/{made.id}/os-volume_attachments/{boot.id}")
    assert (answer.status_code, "root device" in answer.text) == (400, True)
    cloud.compute.delete_server(made)
    cloud.block_storage.wait_for_delete(boot, interval=0.05)


def test_what_nova_forgets_to_free_its_owner_may(cloud: Connection, lab: Lab) -> None:
    boot = volume(cloud, size=3, image_id=lab.image)
    lab.faults.plant(Fault("server.create", "stuck"))
    lab.faults.plant(Fault("server.delete", "forget_volumes"))
    made = cloud.compute.create_server(
        name="brief",
        flavor_id=lab.volume_flavor,
        networks="none",
        block_device_mapping=[
            {"boot_index": 0, "uuid": boot.id, "source_type": "volume", "destination_type": "volume"}
        ],
    )
    storage = cloud.block_storage
    (attachment,) = storage.attachments(volume_id=boot.id)
    assert (attachment.instance, attachment.status) == (made.id, "reserved")
    with pytest.raises(exceptions.ConflictException, match="ConflictNovaUsingAttachment"):
        storage.delete_attachment(attachment)
    cloud.compute.delete_server(made)
    cloud.compute.wait_for_delete(made, interval=0.05)
    left = storage.get_volume(boot.id)
    assert (left.status, left.attachments) == ("reserved", [])
    with pytest.raises(exceptions.BadRequestException, match="Volume status must be"):
        storage.delete_volume(boot)
    storage.delete_attachment(attachment)
    assert storage.get_volume(boot.id).status == "available"
    storage.delete_volume(boot)
    storage.wait_for_delete(boot, interval=0.05)


@pytest.mark.parametrize("source", ["image", "snapshot", "blank"])
def test_nova_makes_the_volumes_it_is_asked_for(cloud: Connection, lab: Lab, source: str) -> None:
    mapping: dict[str, Any] = {"source_type": source, "destination_type": "volume", "volume_size": 3}
    if source == "image":
        mapping |= {"uuid": lab.image, "boot_index": 0}
    if source == "snapshot":
        origin = volume(cloud, size=2)
        snapshot = cloud.block_storage.create_snapshot(volume_id=origin.id)
        until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "available")
        mapping |= {"uuid": snapshot.id, "boot_index": 0}
    image = lab.image if source == "blank" else None
    made = server(
        cloud, lab, image_id=image, block_device_mapping=[{**mapping, "delete_on_termination": True}]
    )
    (attached,) = made.attached_volumes
    assert cloud.block_storage.get_volume(attached["id"]).size == 3
    cloud.compute.delete_server(made)
    until(lambda: cloud.block_storage.find_volume(attached["id"]), lambda found: found is None)


def test_floating_ip_leads_to_ssh_where_the_group_lets_it(cloud: Connection, lab: Lab) -> None:
    group = cloud.network.create_security_group(name="closed")
    port = cloud.network.create_port(network_id=lab.private, security_groups=[group.id])
    made = server(cloud, lab, networks=[{"port": port.id}])
    fip = cloud.network.create_ip(floating_network_id=lab.external, port_id=port.id)
    told = (made.id, port.mac_address)
    rule = {
        "security_group_id": group.id,
        "direction": "ingress",
        "protocol": "tcp",
        "remote_ip_prefix": "0.0.0.0/0",
    }
    opened = cloud.network.create_security_group_rule(**rule, port_range_min=22, port_range_max=22)
    until(lambda: lab.hypervisor.ssh.get(told), lambda address: address == fip.floating_ip_address)
    shown = cloud.compute.get_server(made.id).addresses["private"]
    assert [(a["OS-EXT-IPS:type"], a["addr"]) for a in shown][1] == ("floating", fip.floating_ip_address)
    cloud.network.delete_security_group_rule(opened)
    until(lambda: lab.hypervisor.ssh[told], lambda address: address is None)
    cloud.network.update_ip(fip, port_id=None)
    assert cloud.network.get_ip(fip.id).status == "DOWN"
    cloud.compute.delete_server(made)
    cloud.compute.wait_for_delete(made, interval=0.05)
    kept = cloud.network.get_port(port.id)
    assert (kept.device_id, kept.status) == ("", "DOWN")
    cloud.network.delete_port(kept)
    cloud.network.delete_security_group(group)


def test_attach_snapshot_detach(cloud: Connection, lab: Lab) -> None:
    made = server(cloud, lab)
    data = volume(cloud, name="data")
    attachment = cloud.compute.create_volume_attachment(made, volume_id=data.id)
    assert attachment.device == "/dev/vdb"
    data = until_status(lambda: cloud.block_storage.get_volume(data.id), "in-use")
    assert data.attachments[0]["server_id"] == made.id
    assert data.id in {disk.disk_id for disk in lab.hypervisor.attached[made.id]}
    (listed,) = cloud.compute.volume_attachments(made)
    assert listed.attachment_id == data.attachments[0]["attachment_id"]
    with pytest.raises(exceptions.BadRequestException) as in_use:
        cloud.block_storage.delete_volume(data, ignore_missing=False)
    assert "must be available or error" in str(in_use.value)
    unforced = cloud.block_storage.post("/snapshots", json={"snapshot": {"volume_id": data.id}})
    assert unforced.status_code == 400
    snapshot = cloud.block_storage.create_snapshot(volume_id=data.id, is_forced=True)
    until_status(lambda: cloud.block_storage.get_snapshot(snapshot.id), "available")
    assert lab.hypervisor.snapshots[snapshot.id][0] == data.id
    detach = cloud.block_storage.post(f"/volumes/{data.id}/action", json={"os-detach": {}})
    assert detach.status_code == 409
    cloud.compute.delete_volume_attachment(made, data.id)
    data = until_status(lambda: cloud.block_storage.get_volume(data.id), "available")
    assert data.attachments == []
    assert list(cloud.compute.volume_attachments(made)) == []


def test_attachment_shapes_by_microversion(cloud: Connection, lab: Lab) -> None:
    made = server(cloud, lab)
    data = volume(cloud)
    path = f"/servers/{made.id}/os-volume_attachments"
    body = {"volumeAttachment": {"volumeId": data.id}}
    assert (
        cloud.compute.post(path, json=body, microversion="2.93").json()["volumeAttachment"]["id"] == data.id
    )
    until_status(lambda: cloud.block_storage.get_volume(data.id), "in-use")
    seen = {}
    for version in ("2.1", "2.70", "2.79", "2.89"):
        answer = cloud.compute.get(f"{path}/{data.id}", microversion=version)
        seen[version] = set(answer.json()["volumeAttachment"])
    assert seen["2.1"] == {"id", "volumeId", "serverId", "device"}
    assert seen["2.70"] - seen["2.1"] == {"tag"}
    assert seen["2.79"] - seen["2.70"] == {"delete_on_termination"}
    assert seen["2.89"] ^ seen["2.79"] == {"id", "attachment_id", "bdm_uuid"}


def test_guest_that_keeps_its_disk(cloud: Connection, lab: Lab) -> None:
    made = server(cloud, lab)
    data = volume(cloud)
    cloud.compute.create_volume_attachment(made, volume_id=data.id)
    until_status(lambda: cloud.block_storage.get_volume(data.id), "in-use")
    lab.hypervisor.stuck_disks.add(data.id)
    cloud.compute.delete_volume_attachment(made, data.id)
    until_status(lambda: cloud.block_storage.get_volume(data.id), "in-use")
    lab.hypervisor.stuck_disks.clear()
    assert len(list(cloud.compute.volume_attachments(made))) == 1


def test_power(cloud: Connection, lab: Lab) -> None:
    made = server(cloud, lab)
    with pytest.raises(exceptions.ConflictException) as running:
        cloud.compute.start_server(made)
    assert f"Cannot 'start' instance {made.id} while it is in vm_state active" in str(running.value)
    cloud.compute.stop_server(made)
    stopped = until_status(lambda: cloud.compute.get_server(made.id), "SHUTOFF")
    assert (stopped.vm_state, stopped.power_state) == ("stopped", 4)
    with pytest.raises(exceptions.ConflictException):
        cloud.compute.stop_server(made)
    cloud.compute.start_server(made)
    until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE")
    cloud.compute.reboot_server(made, "HARD")
    until_status(lambda: cloud.compute.get_server(made.id), "ACTIVE")
    assert made.id in lab.hypervisor.running


def test_guest_that_does_not_heed_the_power_button(cloud: Connection, lab: Lab) -> None:
    image = lab.front.add_image("deaf", "base-deaf", "qcow2", GIB, 1, {"os_shutdown_timeout": "0.3"})
    lab.hypervisor.deaf_vms.add("deaf")
    made = server(cloud, lab, "deaf", image_id=image)
    cloud.compute.stop_server(made)
    until_status(lambda: cloud.compute.get_server(made.id), "SHUTOFF")


def test_vm_that_ends_by_itself_is_noticed(cloud: Connection, lab: Lab) -> None:
    made = server(cloud, lab)
    lab.hypervisor.stop_vm(made.id, force=True)
    until_status(lambda: cloud.compute.get_server(made.id), "SHUTOFF")


def test_console_and_tags_and_lock(cloud: Connection, lab: Lab) -> None:
    made = server(cloud, lab)
    assert cloud.compute.get_server_console_output(made, length=2)["output"] == "two\nthree\n"
    cloud.compute.add_tag_to_server(made, "coriolis")
    assert [s.id for s in cloud.compute.servers(tags="coriolis")] == [made.id]
    cloud.compute.lock_server(made)
    with pytest.raises(exceptions.ConflictException):
        cloud.compute.stop_server(made)


def test_listing(cloud: Connection, lab: Lab) -> None:
    made = {server(cloud, lab, f"node-{number}").id for number in range(3)}
    assert {s.id for s in cloud.compute.servers(limit=1)} == made
    assert [s.name for s in cloud.compute.servers(name="^node-1$")] == ["node-1"]
    ordered = [s.id for s in cloud.compute.servers(sort_key="uuid", sort_dir="asc")]
    assert ordered == sorted(made)
    page = cloud.compute.get(f"/servers?limit=1&sort_key=uuid&sort_dir=asc&marker={ordered[0]}").json()
    assert [s["id"] for s in page["servers"]] == ordered[1:2]
    assert "marker=" in page["servers_links"][0]["href"]
    assert cloud.compute.get("/servers?marker=nothing").status_code == 400


def test_what_nova_refuses(cloud: Connection, lab: Lab) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    assert refused(cloud, lab, flavorRef=nowhere) == (400, f"Flavor {nowhere} could not be found.")
    assert refused(cloud, lab, imageRef=nowhere) == (400, "Can not find requested image")
    assert refused(cloud, lab, imageRef="") == (400, "Missing imageRef attribute")
    assert refused(cloud, lab, key_name="none") == (400, "Invalid key_name provided.")
    assert refused(cloud, lab, flavorRef=lab.volume_flavor)[0] == 403
    assert refused(cloud, lab, networks=[{"uuid": nowhere}])[0] == 400
    assert refused(cloud, lab, security_groups=[{"name": "none"}], networks=[{"uuid": lab.private}])[0] == 400
    code, message = refused(cloud, lab, surprise=1)
    assert (code, "'surprise' was unexpected" in message) == (400, True)
    used = server(cloud, lab).id
    (port,) = cloud.network.ports(device_id=used)
    assert refused(cloud, lab, networks=[{"port": port.id}]) == (409, f"Port {port.id} is still in use.")
    before = len(list(cloud.network.ports()))
    assert refused(cloud, lab, networks=[{"uuid": lab.private}, {"uuid": nowhere}])[0] == 400
    assert len(list(cloud.network.ports())) == before


def test_quota_is_a_403_with_the_real_words(cloud: Connection, lab: Lab) -> None:
    server(cloud, lab)
    lab.front.set_quota(lab.project, instances=1)
    try:
        assert refused(cloud, lab) == (
            403,
            "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances",
        )
        assert cloud.compute.get_limits().absolute.instances_used == 1
    finally:
        lab.front.set_quota(lab.project, instances=10)


def test_keypairs(cloud: Connection, lab: Lab) -> None:
    made = cloud.compute.create_keypair(name="mine")
    assert made.fingerprint.count(":") == 15
    with pytest.raises(exceptions.ConflictException) as twice:
        cloud.compute.create_keypair(name="mine", public_key=made.public_key)
    assert "Key pair 'mine' already exists." in str(twice.value)
    with pytest.raises(exceptions.BadRequestException):
        cloud.compute.create_keypair(name="bad", public_key="ssh-rsa !")
    assert (
        cloud.compute.get("/os-keypairs", microversion="2.1").json()["keypairs"][0]["keypair"].get("type")
        is None
    )
    assert cloud.compute.delete("/os-keypairs/mine", microversion="2.1").status_code == 202
    assert cloud.compute.delete("/os-keypairs/mine", microversion="2.1").status_code == 404
    needs_key = cloud.compute.post("/os-keypairs", json={"keypair": {"name": "x"}}, microversion="2.92")
    assert needs_key.status_code == 400


def test_failures_of_a_build(cloud: Connection, lab: Lab) -> None:
    lab.hypervisor.broken_vms.add("broken")
    wanted = {"image_id": lab.image, "flavor_id": lab.flavor, "networks": [{"uuid": lab.private}]}
    broken = cloud.compute.create_server(name="broken", **wanted)
    failed = until_status(lambda: cloud.compute.get_server(broken.id), "ERROR")
    assert failed.fault["code"] == 500
    assert "Could not open disk" in failed.fault["message"]
    lab.faults.plant(Fault("server.create", "error", match="unlucky"))
    unlucky = cloud.compute.create_server(name="unlucky", **wanted)
    failed = until_status(lambda: cloud.compute.get_server(unlucky.id), "ERROR")
    assert "No valid host was found" in failed.fault["message"]
    boot = volume(cloud, size=3, image_id=lab.image)
    lab.faults.plant(Fault("server.create", "error"))
    mapping = {"boot_index": 0, "uuid": boot.id, "source_type": "volume", "destination_type": "volume"}
    made = cloud.compute.create_server(
        name="v", flavor_id=lab.volume_flavor, networks="none", block_device_mapping=[mapping]
    )
    until_status(lambda: cloud.compute.get_server(made.id), "ERROR")
    cloud.compute.delete_server(made)
    until_status(lambda: cloud.block_storage.get_volume(boot.id), "available")
    lab.faults.plant(Fault("server.create", "refuse"))
    with pytest.raises(exceptions.ConflictException):
        cloud.compute.create_server(name="refused", **wanted)
    lab.faults.plant(Fault("server.create", "stuck"))
    stuck = cloud.compute.create_server(name="stuck", **wanted)
    assert cloud.compute.get_server(stuck.id).status == "BUILD"


def test_faults_of_a_running_server(cloud: Connection, lab: Lab) -> None:
    lab.faults.plant(Fault("server.start", "no_address", match="lonely"))
    lonely = server(cloud, lab, "lonely")
    assert lab.hypervisor.specs[lonely.id].nics == ()
    lab.faults.plant(Fault("server.start", "die", match="mortal", seconds=0.1))
    mortal = server(cloud, lab, "mortal")
    until_status(lambda: cloud.compute.get_server(mortal.id), "SHUTOFF")
    data = volume(cloud)
    lab.faults.plant(Fault("volume.attach", "error"))
    cloud.compute.create_volume_attachment(lonely, volume_id=data.id)
    until_status(lambda: cloud.block_storage.get_volume(data.id), "error_attaching")
    lab.admin().block_storage.reset_volume_status(data.id, status="available")
    lab.faults.plant(Fault("server.delete", "error", match="mortal"))
    cloud.compute.delete_server(mortal)
    until_status(lambda: cloud.compute.get_server(mortal.id), "ERROR")


def test_interfaces_of_a_stopped_server(cloud: Connection, lab: Lab) -> None:
    made = server(cloud, lab)
    with pytest.raises(exceptions.HttpException) as running:
        cloud.compute.create_server_interface(made, net_id=lab.private)
    assert running.value.status_code == 500
    assert len(list(cloud.network.ports(device_id=made.id))) == 1
    cloud.compute.stop_server(made)
    until_status(lambda: cloud.compute.get_server(made.id), "SHUTOFF")
    second = cloud.compute.create_server_interface(made, net_id=lab.private)
    assert len(list(cloud.compute.server_interfaces(made))) == 2
    cloud.compute.delete_server_interface(second.port_id, server=made)
    assert len(list(cloud.network.ports(device_id=made.id))) == 1
