"""The config drive, as nova-compute writes it.

The lab has no metadata service, so every guest gets one; `config_drive` of the API still tells what the
user asked for.
"""

import base64
import ipaddress
import json
import secrets

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute.views import hostname
from coriolis_lab.openstack.records import Port, Server
from coriolis_lab.openstack.web import Json

_ROOT = "openstack/latest"


def files(cloud: Cloud, server: Server) -> dict[str, bytes]:
    """File name → content. Call it under the lock."""
    drive = {
        f"{_ROOT}/meta_data.json": _json(_meta_data(server)),
        f"{_ROOT}/network_data.json": _json(_network_data(cloud, server)),
        f"{_ROOT}/vendor_data.json": _json({}),
        f"{_ROOT}/vendor_data2.json": _json({}),
    }
    if server.user_data is not None:
        drive[f"{_ROOT}/user_data"] = server.user_data
    return drive


def _json(value: Json) -> bytes:
    return json.dumps(value).encode()


def _meta_data(server: Server) -> Json:
    data: Json = {
        "uuid": server.id,
        "name": server.name,
        "hostname": f"{hostname(server)}.novalocal",
        "launch_index": 0,
        "availability_zone": server.availability_zone,
        "project_id": server.project_id,
        "random_seed": base64.b64encode(secrets.token_bytes(512)).decode(),
        "devices": [],
        "dedicated_cpus": [],
    }
    if server.metadata:
        data["meta"] = dict(server.metadata)
    if server.key:
        data["public_keys"] = {server.key.name: server.key.public_key}
        data["keys"] = [{"name": server.key.name, "type": server.key.type, "data": server.key.public_key}]
    return data


def _network_data(cloud: Cloud, server: Server) -> Json:
    links: list[Json] = []
    networks: list[Json] = []
    services: list[Json] = []
    for index, port in enumerate(cloud.server_ports(server)):
        link = f"tap{port.id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": port.id,
                "type": "bridge",
                "mtu": 1500,
                "ethernet_mac_address": port.mac,
            }
        )
        networks += [_network(cloud, port, link, f"network{index}")] if port.fixed_ips else []
        for fixed in port.fixed_ips:
            servers = cloud.subnets[fixed.subnet_id].dns_nameservers
            services += [{"type": "dns", "address": address} for address in servers]
    return {"links": links, "networks": networks, "services": services}


def _network(cloud: Cloud, port: Port, link: str, name: str) -> Json:
    subnet = cloud.subnets[port.fixed_ips[0].subnet_id]
    shown: Json = {"id": name, "link": link, "network_id": port.network_id}
    if subnet.enable_dhcp:
        return {**shown, "type": "ipv4_dhcp"}
    everywhere = str(ipaddress.IPv4Address(0))
    route = {"network": everywhere, "netmask": everywhere, "gateway": subnet.gateway_ip}
    routes = [route] if subnet.gateway_ip else []
    netmask = str(ipaddress.ip_network(subnet.cidr).netmask)
    return {
        **shown,
        "type": "ipv4",
        "ip_address": port.fixed_ips[0].address,
        "netmask": netmask,
        "routes": routes,
    }
