"""What hangs below a host: one network card that carries every network, its devices, the LUNs it sees."""

import uuid
from dataclasses import dataclass

from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Host, Network
from coriolis_lab.ovirt.resources.hosts import host_of
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.resources.statistics import HOST_MEMORY, Statistic, of_nic
from coriolis_lab.ovirt.resources.storage_domains import logical_unit, lun_id
from coriolis_lab.ovirt.web import ApiRoute, Call, empty_list, get

NIC_SPEED = 10_000_000_000  # bits per second
MTU = 1500
# nothing of these in the lab
EMPTY_LISTS = {
    "fenceagents": "agents",
    "hooks": "hooks",
    "katelloerrata": "katello_errata",
    "storageconnectionextensions": "storage_connection_extensions",
    "unmanagednetworks": "unmanaged_networks",
    "externalnetworkproviderconfigurations": "external_network_provider_configurations",
}
EMPTY_BELOW_NIC = {
    "networklabels": "network_labels",
    "linklayerdiscoveryprotocolelements": "link_layer_discovery_protocol_elements",
}


@dataclass(frozen=True)
class Part:
    """Its id is made of the host's and the part's name."""

    host: Host
    name: str

    @property
    def id(self) -> str:
        return str(uuid.uuid5(uuid.UUID(self.host.id), self.name))

    @property
    def owner(self) -> Element:
        return reference("host", "hosts", self.host.id)


def networks_of(engine: Engine, host: Host) -> list[Network]:
    center = engine.clusters[host.cluster_id].data_center_id
    return [
        network
        for network in engine.networks.values()
        if network.data_center_id == center
        and (network.cluster_ids is None or network.id in host.extra_networks)
    ]


def _nics(call: Call) -> list[Part]:
    return [Part(host_of(call), "eth0")]


def _render_nic(call: Call, nic: Part) -> Element:
    network = next(iter(networks_of(call.engine, nic.host)), None)
    number = int(uuid.UUID(nic.host.id)) & 0xFFFFFF
    mac = "52:54:00:" + ":".join(f"{number >> shift & 0xFF:02x}" for shift in (16, 8, 0))
    return entity(
        "host_nic",
        f"hosts/{nic.host.id}/nics/{nic.id}",
        nic.id,
        leaf("boot_protocol", "dhcp"),
        leaf("bridged", True),
        leaf("custom_configuration", False),
        struct("ip", leaf("address", nic.host.address), leaf("netmask", "255.0.0.0"), leaf("version", "v4")),
        struct("ipv6", leaf("gateway", "::"), leaf("version", "v6")),
        leaf("ipv6_boot_protocol", "none"),
        struct("mac", leaf("address", mac)),
        leaf("mtu", MTU),
        struct("properties"),
        leaf("speed", NIC_SPEED),
        leaf("status", "up"),
        nic.owner,
        reference("network", "networks", network.id) if network else None,
        name=nic.name,
        links=("linklayerdiscoveryprotocolelements", "networkattachments", "networklabels", "statistics"),
    )


@dataclass(frozen=True)
class NetworkAttachment:
    host: Host
    network: Network

    @property
    def id(self) -> str:
        return Part(self.host, self.network.id).id


def _attachments(call: Call) -> list[NetworkAttachment]:
    host = host_of(call)
    return [NetworkAttachment(host, network) for network in networks_of(call.engine, host)]


def _render_attachment(_call: Call, one: NetworkAttachment) -> Element:
    host, nic = one.host, Part(one.host, "eth0")
    assignments = [
        struct(
            "ip_address_assignment", leaf("assignment_method", method), struct("ip", leaf("version", version))
        )
        for method, version in (("dhcp", "v4"), ("autoconf", "v6"))
    ]
    mtu = one.network.mtu or MTU
    return entity(
        "network_attachment",
        f"hosts/{host.id}/networkattachments/{one.id}",
        one.id,
        leaf("in_sync", True),
        struct("ip_address_assignments", *assignments),
        struct("reported_configurations", _in_sync("mtu", str(mtu)), _in_sync("bridged", "true")),
        nic.owner,
        reference("host_nic", f"hosts/{host.id}/nics", nic.id),
        reference("network", "networks", one.network.id),
    )


def _in_sync(name: str, value: str) -> Element:
    return struct(
        "reported_configuration",
        leaf("actual_value", value),
        leaf("expected_value", value),
        leaf("in_sync", True),
        leaf("name", name),
    )


def _nic_statistics(_call: Call) -> tuple[Statistic, ...]:
    return of_nic()


def _render_nic_statistic(call: Call, one: Statistic) -> Element:
    path = f"hosts/{call.ids['host']}/nics/{call.ids['nic']}"
    owner = reference("host_nic", f"hosts/{call.ids['host']}/nics", call.ids["nic"])
    return one.render(f"{path}/statistics", owner)


DEVICES = (
    ("computer", "system"),
    ("net_eth0", "net"),
    ("pci_0000_00_00_0", "pci"),
    ("scsi_host0", "scsi_host"),
)


def _devices(call: Call) -> list[Part]:
    return [Part(host_of(call), name) for name, _capability in DEVICES]


def _render_device(_call: Call, device: Part) -> Element:
    parent = Part(device.host, "computer")
    below = None
    if device.name != parent.name:
        below = entity(
            "parent_device", f"hosts/{device.host.id}/devices/{parent.id}", parent.id, name=parent.name
        )
    return entity(
        "host_device",
        f"hosts/{device.host.id}/devices/{device.id}",
        device.id,
        leaf("capability", dict(DEVICES)[device.name]),
        device.owner,
        below,
        name=device.name,
    )


def _numa_nodes(call: Call) -> list[Part]:
    return [Part(host_of(call), "numa-0")]


def _render_numa_node(_call: Call, node: Part) -> Element:
    return entity(
        "host_numa_node",
        f"hosts/{node.host.id}/numanodes/{node.id}",
        node.id,
        leaf("index", 0),
        leaf("memory", HOST_MEMORY // 2**20),
        leaf("node_distance", "10"),
        node.owner,
        links=("statistics",),
    )


@dataclass(frozen=True)
class Lun:
    """Of a block storage domain, which has one."""

    host: Host
    domain_id: str

    @property
    def id(self) -> str:
        return lun_id(self.domain_id)


def _luns(call: Call) -> list[Lun]:
    host = host_of(call)
    center = call.engine.clusters[host.cluster_id].data_center_id
    domains = call.engine.storage_domains.values()
    return [Lun(host, domain.id) for domain in domains if domain.is_block and domain.data_center_id == center]


def _render_lun(call: Call, lun: Lun) -> Element:
    domain = call.engine.storage_domains[lun.domain_id]
    return entity(
        "host_storage",
        f"hosts/{lun.host.id}/storage/{lun.id}",
        lun.id,
        struct("logical_units", logical_unit(domain)),
        leaf("type", domain.storage_type),
        reference("host", "hosts", lun.host.id),
    )


ROUTES: list[ApiRoute] = [
    *catalog("hosts/{host}/nics", "host_nics", _nics, _render_nic, "nic"),
    *catalog("hosts/{host}/networkattachments", "network_attachments", _attachments, _render_attachment),
    *catalog(
        "hosts/{host}/nics/{nic}/networkattachments", "network_attachments", _attachments, _render_attachment
    ),
    *catalog("hosts/{host}/nics/{nic}/statistics", "statistics", _nic_statistics, _render_nic_statistic),
    *catalog("hosts/{host}/devices", "host_devices", _devices, _render_device),
    *catalog("hosts/{host}/numanodes", "host_numa_nodes", _numa_nodes, _render_numa_node, "node"),
    get("hosts/{host}/numanodes/{node}/statistics", empty_list("statistics")),
    *catalog("hosts/{host}/storage", "host_storages", _luns, _render_lun, "lun"),
    *(get(f"hosts/{{host}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_LISTS.items()),
    *(get(f"hosts/{{host}}/nics/{{nic}}/{rel}", empty_list(tag)) for rel, tag in EMPTY_BELOW_NIC.items()),
]
