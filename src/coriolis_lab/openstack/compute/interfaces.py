"""/servers/{id}/os-interface"""

from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.openstack.compute import hardware
from coriolis_lab.openstack.compute.bodies import check_state, find_server
from coriolis_lab.openstack.compute.nics import OWNER, drop_new, read_nic
from coriolis_lab.openstack.network.ports import remove_port
from coriolis_lab.openstack.records import Port
from coriolis_lab.openstack.ssh import update_ssh
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route


def _view(port: Port) -> Json:
    return {
        "port_id": port.id,
        "net_id": port.network_id,
        "mac_addr": port.mac,
        "port_state": port.status,
        "fixed_ips": [
            {"subnet_id": fixed.subnet_id, "ip_address": fixed.address} for fixed in port.fixed_ips
        ],
    }


def _list(call: Call) -> Reply:
    ports = call.cloud.server_ports(find_server(call))
    return Reply({"interfaceAttachments": [_view(port) for port in ports]})


def _find(call: Call) -> Port:
    for port in call.cloud.server_ports(find_server(call)):
        if port.id == call.ids["port"]:
            return port
    raise ApiError(404, f"Port {call.ids['port']} is not attached to instance {call.ids['id']}")


def _show(call: Call) -> Reply:
    return Reply({"interfaceAttachment": _view(_find(call))})


def _attach(call: Call) -> Reply:
    """Unlocked: the call answers when the NIC is there. The lab's hypervisor adds NICs to stopped VMs
    only."""
    given = call.member("interfaceAttachment")
    with call.cloud.lock:
        server = find_server(call)
        check_state(call, server, "attach_interface", ("active", "paused", "stopped"))
        fixed = given.get("fixed_ips") or [{}]
        entry = {
            "port": given.get("port_id"),
            "uuid": given.get("net_id"),
            "fixed_ip": fixed[0].get("ip_address"),
        }
        port = read_nic(call, entry, None)
        port.device_id, port.device_owner = server.id, OWNER
        nic = hardware.vm_nic(call.cloud, server, port)
    try:
        call.cloud.hypervisor.add_nic(server.id, nic)
    except HypervisorError as error:
        with call.cloud.lock:
            port.device_id = port.device_owner = ""
            drop_new(call, [port])
        raise ApiError(500, f"Failed to attach network adapter device to {server.id}: {error}") from error
    with call.cloud.lock:
        server.ports.append(port.id)
        update_ssh(call.cloud, server.id)
        return Reply({"interfaceAttachment": _view(port)})


def _detach(call: Call) -> Reply:
    with call.cloud.lock:
        server = find_server(call)
        check_state(call, server, "detach_interface", ("active", "paused", "stopped"))
        port = _find(call)
    try:
        call.cloud.hypervisor.remove_nic(server.id, port.mac)
    except HypervisorError as error:
        raise ApiError(500, f"Failed to detach network adapter device from {server.id}: {error}") from error
    with call.cloud.lock:
        server.ports.remove(port.id)
        server.ssh.pop(port.mac, None)
        if port.made_by_nova:
            remove_port(call.cloud, port)
        else:
            port.device_id, port.device_owner, port.status = "", "", "DOWN"
    return Reply(None, 202)


ROUTES = [
    Route("GET", "/v2.1/servers/{id}/os-interface", _list),
    Route("POST", "/v2.1/servers/{id}/os-interface", _attach, unlocked=True),
    Route("GET", "/v2.1/servers/{id}/os-interface/{port}", _show),
    Route("DELETE", "/v2.1/servers/{id}/os-interface/{port}", _detach, unlocked=True),
]
