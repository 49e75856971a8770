"""The payload CD the engine makes for cloud-init: an OpenStack config drive labelled config-2."""

import ipaddress
import json
import uuid

from coriolis_lab.ovirt.machine_settings import Initialization, NicConfiguration

DEFAULT_ROUTE = dict.fromkeys(("network", "netmask"), str(ipaddress.IPv4Address(0)))
LATEST = "openstack/latest"


def config_drive(vm_name: str, initialization: Initialization) -> dict[str, bytes]:
    """File names and contents. network_data.json is there only if addresses were configured."""
    files = {
        f"{LATEST}/meta_data.json": json.dumps(_meta_data(vm_name, initialization)).encode(),
        f"{LATEST}/user_data": _user_data(initialization).encode(),
    }
    if initialization.nic_configurations:
        files[f"{LATEST}/network_data.json"] = json.dumps(_network_data(initialization)).encode()
    return files


def _meta_data(vm_name: str, initialization: Initialization) -> dict[str, object]:
    """The uuid is new each run, so that cloud-init takes every run with a payload for a new instance."""
    keys = [line.strip() for line in (initialization.authorized_ssh_keys or "").splitlines() if line.strip()]
    host_name = initialization.host_name or vm_name
    return {
        "availability_zone": "nova",
        "hostname": host_name,
        "launch_index": "0",
        "meta": {"dsmode": "local", "essential": "false", "role": "server"},
        "name": host_name,
        "public_keys": keys,
        "uuid": str(uuid.uuid4()),
    }


def _user_data(initialization: Initialization) -> str:
    """The engine's own keys, then the custom script as it is: a key in both is a duplicate, as on a real
    engine.

    Strings are written in JSON's quotes, which YAML reads alike.
    """
    lines = ["#cloud-config", "ssh_pwauth: true", "disable_root: false"]
    lines.append("output: {all: '>> /var/log/cloud-init-output.log'}")
    if initialization.user_name:
        lines.append(f"user: {json.dumps(initialization.user_name)}")
    if initialization.root_password:
        lines.append(f"password: {json.dumps(initialization.root_password)}")
        lines.append("chpasswd: {expire: false}")
    if initialization.timezone:
        lines.append(f"timezone: {json.dumps(initialization.timezone)}")
    text = "\n".join(lines) + "\n"
    return text + (initialization.custom_script or "")


def _network_data(initialization: Initialization) -> dict[str, object]:
    links = [{"id": nic.name, "name": nic.name, "type": "vif"} for nic in initialization.nic_configurations]
    networks = [_network(nic) for nic in initialization.nic_configurations]
    servers = [
        {"type": "dns", "address": server} for server in (initialization.dns_servers or "").split() if server
    ]
    return {"links": links, "networks": networks, "services": servers}


def _network(nic: NicConfiguration) -> dict[str, object]:
    if nic.boot_protocol != "static" or not nic.address:
        return {"id": nic.name, "link": nic.name, "type": "ipv4_dhcp"}
    network: dict[str, object] = {
        "id": nic.name,
        "link": nic.name,
        "type": "ipv4",
        "ip_address": nic.address,
        "netmask": nic.netmask or str(ipaddress.ip_network(f"{nic.address}/24", strict=False).netmask),
    }
    if nic.gateway:
        network["routes"] = [{**DEFAULT_ROUTE, "gateway": nic.gateway}]
    return network
