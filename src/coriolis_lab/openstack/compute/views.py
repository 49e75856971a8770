"""How a server looks, by microversion."""

import hashlib

from coriolis_lab.openstack.compute.server_groups import group_of
from coriolis_lab.openstack.records import Flavor, Server
from coriolis_lab.openstack.web import Call, Json, micros, seconds

_STATUS = {
    "building": "BUILD",
    "active": "ACTIVE",
    "stopped": "SHUTOFF",
    "paused": "PAUSED",
    "error": "ERROR",
}
_BUSY_STATUS = {"rebooting": "REBOOT", "reboot_started": "REBOOT", "rebooting_hard": "HARD_REBOOT"}


def status(server: Server) -> str:
    if server.vm_state == "active" and server.task_state in _BUSY_STATUS:
        return _BUSY_STATUS[server.task_state]
    return _STATUS[server.vm_state]


def links(call: Call, kind: str, item_id: str) -> list[Json]:
    return [
        {"rel": "self", "href": f"{call.base}/compute/v2.1/{kind}/{item_id}"},
        {"rel": "bookmark", "href": f"{call.base}/compute/{kind}/{item_id}"},
    ]


def summary(call: Call, server: Server) -> Json:
    return {"id": server.id, "name": server.name, "links": links(call, "servers", server.id)}


def detail(call: Call, server: Server) -> Json:
    host_id = hashlib.sha224(f"{server.project_id}lab".encode()).hexdigest() if server.launched else ""
    shown_status = status(server)
    view: Json = {
        **summary(call, server),
        "status": shown_status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": dict(server.metadata),
        "hostId": host_id,
        "image": _image(call, server),
        "flavor": _flavor(call, server.flavor),
        "created": seconds(server.created),
        "updated": seconds(server.updated),
        "addresses": addresses(call, server),
        "accessIPv4": "",
        "accessIPv6": "",
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": server.availability_zone if server.launched else "",
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key.name if server.key else None,
        "OS-SRV-USG:launched_at": micros(server.launched),
        "OS-SRV-USG:terminated_at": micros(server.terminated),
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": _volumes(call, server),
    }
    if groups := group_names(call, server):
        view["security_groups"] = [{"name": name} for name in groups]
    if shown_status in {"ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT"}:
        view["progress"] = 100 if shown_status == "ACTIVE" else 0
    if server.fault and shown_status == "ERROR":
        view["fault"] = {
            key: value for key, value in server.fault.items() if key != "details" or call.is_admin
        }
    view.update(_newer(call, server))
    return view


def _newer(call: Call, server: Server) -> Json:
    """What later microversions added."""
    view: Json = {}
    if call.at_least(3) and call.is_admin:
        view.update(_administrators_view(server))
    if call.at_least(9):
        view["locked"] = server.locked
    if call.at_least(16) and call.is_admin:
        view["host_status"] = "UP"
    if call.at_least(19):
        view["description"] = server.description
    if call.at_least(26):
        view["tags"] = list(server.tags)
    if call.at_least(63):
        view["trusted_image_certificates"] = None
    if call.at_least(71):
        view["server_groups"] = group_of(call, server.id)
    if call.at_least(73):
        view["locked_reason"] = None
    if call.at_least(90):
        view["OS-EXT-SRV-ATTR:hostname"] = hostname(server)
    return view


def _administrators_view(server: Server) -> Json:
    return {
        "OS-EXT-SRV-ATTR:host": "lab",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": "lab",
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.id[:8]}",
        "OS-EXT-SRV-ATTR:hostname": hostname(server),
        "OS-EXT-SRV-ATTR:reservation_id": server.reservation_id,
        "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:user_data": None,
    }


def hostname(server: Server) -> str:
    """The name made fit for a host: letters, digits and single dashes, 63 at most."""
    letters = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in server.name.lower())
    return letters.strip("-")[:63] or f"server-{server.id}"


def _image(call: Call, server: Server) -> Json | str:
    """Booted from a volume: an empty string, not null."""
    if server.image_id is None:
        return ""
    bookmark = {"rel": "bookmark", "href": f"{call.base}/compute/images/{server.image_id}"}
    return {"id": server.image_id, "links": [bookmark]}


def _flavor(call: Call, flavor: Flavor) -> Json:
    """Since 2.47 what the server was built with, without the flavor's id."""
    if not call.at_least(47):
        return {"id": flavor.id, "links": [links(call, "flavors", flavor.id)[1]]}
    return {
        "original_name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.ram_mb,
        "disk": flavor.disk_gb,
        "ephemeral": flavor.ephemeral_gb,
        "swap": flavor.swap_mb,
        "extra_specs": dict(flavor.extra_specs),
    }


def _volumes(call: Call, server: Server) -> list[Json]:
    if not call.at_least(3):
        return [{"id": a.volume_id} for a in server.attachments]
    return [{"id": a.volume_id, "delete_on_termination": a.delete_on_termination} for a in server.attachments]


def addresses(call: Call, server: Server) -> Json:
    shown: dict[str, list[Json]] = {}
    for port in call.cloud.server_ports(server):
        entries = shown.setdefault(call.cloud.networks[port.network_id].name, [])
        mac = {"OS-EXT-IPS-MAC:mac_addr": port.mac}
        for fixed in port.fixed_ips:
            entries.append({"version": 4, "addr": fixed.address, "OS-EXT-IPS:type": "fixed", **mac})
        if fip := call.cloud.port_floating_ip(port):
            entries.append({"version": 4, "addr": fip.address, "OS-EXT-IPS:type": "floating", **mac})
    return shown


def group_names(call: Call, server: Server) -> list[str]:
    """Once for each port, as Nova gathers them."""
    return [
        call.cloud.security_groups[group_id].name
        for port in call.cloud.server_ports(server)
        for group_id in port.security_group_ids
        if group_id in call.cloud.security_groups
    ]
