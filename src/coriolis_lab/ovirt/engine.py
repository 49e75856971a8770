"""The engine's state and the services that every command uses: look-ups, locking, tasks, journal, faults."""

import ipaddress
import threading
import uuid
from collections.abc import Iterable, Mapping
from typing import TypeVar

from coriolis_lab.faults import Fault, FaultBook
from coriolis_lab.hypervisor.api import Hypervisor
from coriolis_lab.ovirt.administration import (
    AffinityGroup,
    AffinityLabel,
    Bookmark,
    Group,
    MacPool,
    Permission,
    Role,
    User,
)
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.image_daemon import ImageDaemon
from coriolis_lab.ovirt.instance_types import InstanceType, predefined_types
from coriolis_lab.ovirt.journal import Journal
from coriolis_lab.ovirt.look import LOOKS
from coriolis_lab.ovirt.machine_settings import MachineSettings
from coriolis_lab.ovirt.records import (
    BLANK_TEMPLATE_ID,
    MAC_POOL_ID,
    ROOT_TAG_ID,
    Cluster,
    DataCenter,
    Disk,
    DiskStatus,
    Host,
    ImageTransfer,
    Network,
    StorageDomain,
    Tag,
    Template,
    Vm,
    VmPool,
    VnicProfile,
    now,
)
from coriolis_lab.ovirt.refusals import conflict, gone, missing
from coriolis_lab.ovirt.roles import ADMIN_ID, EVERYONE_ID, first_permissions, predefined_roles
from coriolis_lab.ovirt.tasks import TaskRunner
from coriolis_lab.settings import LabSettings

Record = TypeVar("Record", Disk, Template, Vm)
Named = TypeVar("Named", Cluster, DataCenter, Host, Network, StorageDomain, Template, Vm, VnicProfile)
GIGABYTE = 1024**3
CRITICAL_SPACE = 5 * GIGABYTE
FIRST_GUEST_ADDRESS = 10


def new_id() -> str:
    return str(uuid.uuid4())


class Engine:
    """`lock` guards every record; handlers and tasks change records only while they hold it."""

    def __init__(
        self, hypervisor: Hypervisor, settings: LabSettings, faults: FaultBook, image_daemon: ImageDaemon
    ) -> None:
        self.hypervisor = hypervisor
        self.image_daemon = image_daemon
        self.settings = settings
        self.faults = faults
        self.look = LOOKS[settings.ovirt_look]
        self.lock = threading.RLock()
        self.journal = Journal()
        self.tasks = TaskRunner(self.lock, self.journal)
        self.data_centers: dict[str, DataCenter] = {}
        self.clusters: dict[str, Cluster] = {}
        self.storage_domains: dict[str, StorageDomain] = {}
        self.networks: dict[str, Network] = {}
        self.vnic_profiles: dict[str, VnicProfile] = {}
        self.hosts: dict[str, Host] = {}
        self.disks: dict[str, Disk] = {}
        self.vms: dict[str, Vm] = {}
        self.pools: dict[str, VmPool] = {}
        self.tags: dict[str, Tag] = {ROOT_TAG_ID: Tag(ROOT_TAG_ID, "root", "root")}
        self.affinity_groups: dict[str, AffinityGroup] = {}
        self.affinity_labels: dict[str, AffinityLabel] = {}
        self.mac_pools: dict[str, MacPool] = {MAC_POOL_ID: _default_mac_pool()}
        self.instance_types: dict[str, InstanceType] = predefined_types()
        self.bookmarks: dict[str, Bookmark] = {}
        self.users: dict[str, User] = {ADMIN_ID: User(ADMIN_ID, "admin", "admin")}
        self.groups: dict[str, Group] = {EVERYONE_ID: Group(EVERYONE_ID, "Everyone")}
        self.roles: dict[str, Role] = predefined_roles()
        self.permissions: dict[str, Permission] = first_permissions()
        self.transfers: dict[str, ImageTransfer] = {}
        self.templates: dict[str, Template] = {BLANK_TEMPLATE_ID: _blank_template()}

    # faults

    def admit(self, point: str, name: str) -> Fault | None:
        """The fault that hits at this point; "refuse" is raised at once."""
        fault = self.faults.strike(point, name)
        if fault and fault.kind == "refuse":
            raise conflict(
                fault.message
                or f"Cannot perform the action on {name}. Related operation is currently in progress."
            )
        return fault

    # look-ups

    def require(self, ids: Mapping[str, str]) -> None:
        """An empty 404 unless what a path's variables name, as far as it is of these kinds, is there."""
        known: dict[str, Mapping[str, object]] = {
            "vm": self.vms,
            "template": self.templates,
            "host": self.hosts,
            "cluster": self.clusters,
            "data_center": self.data_centers,
            "domain": self.storage_domains,
            "network": self.networks,
            "disk": self.disks,
            "pool": self.pools,
        }
        if any(name in known and identifier not in known[name] for name, identifier in ids.items()):
            raise gone()

    def vm(self, identifier: str) -> Vm:
        return _get(self.vms, identifier)

    def disk(self, identifier: str) -> Disk:
        return _get(self.disks, identifier)

    def template(self, identifier: str) -> Template:
        return _get(self.templates, identifier)

    def named_cluster(self, node: Node) -> Cluster:
        return _resolve(self.clusters, node, "Cluster")

    def named_storage_domain(self, node: Node) -> StorageDomain:
        return _resolve(self.storage_domains, node, "StorageDomain")

    def named_template(self, node: Node) -> Template:
        return _resolve(self.templates, node, "Template")

    def named_vnic_profile(self, node: Node) -> VnicProfile:
        return _resolve(self.vnic_profiles, node, "VnicProfile")

    def named_vm(self, node: Node) -> Vm:
        return _resolve(self.vms, node, "Vm")

    def named_data_center(self, node: Node) -> DataCenter:
        return _resolve(self.data_centers, node, "DataCenter")

    def named_host(self, node: Node) -> Host:
        return _resolve(self.hosts, node, "Host")

    def named_network(self, node: Node, data_center_id: str | None) -> Network:
        """Names are unique only in a data centre; None looks in all of them."""
        inside = {
            one.id: one for one in self.networks.values() if data_center_id in (None, one.data_center_id)
        }
        return _resolve(inside, node, "Network")

    def data_center_of_cluster(self, cluster_id: str) -> DataCenter:
        return self.data_centers[self.clusters[cluster_id].data_center_id]

    def vms_of_disk(self, disk_id: str) -> list[Vm]:
        return [vm for vm in self.vms.values() if disk_id in vm.attachments]

    def attached_disks(self, vm: Vm | Template) -> list[Disk]:
        return [self.disks[disk_id] for disk_id in vm.attachments if disk_id in self.disks]

    def has_snapshot(self, disk_id: str) -> bool:
        return any(
            entry.disk_id == disk_id
            for vm in self.vms.values()
            for snapshot in vm.snapshots.values()
            for entry in snapshot.disks
        )

    def disk_format(self, disk: Disk) -> str:
        return "cow" if self.has_snapshot(disk.id) else disk.base_format

    # space

    def committed(self, domain: StorageDomain) -> int:
        return sum(disk.provisioned_size for disk in self._disks_on(domain))

    def used(self, domain: StorageDomain) -> int:
        """Preallocated disks take their whole size, thin ones what is written."""
        return sum(
            disk.actual_size if disk.sparse else max(disk.provisioned_size, disk.actual_size)
            for disk in self._disks_on(domain)
        )

    def available(self, domain: StorageDomain) -> int:
        return max(0, domain.capacity - self.used(domain))

    def check_space(self, domain: StorageDomain, needed: int, action: str) -> None:
        """`action` such as "add Virtual Disk". Refused also below the domain's critical threshold."""
        available = self.available(domain)
        if needed and self.faults.strike("domain.space", domain.name):
            available = 0
        if needed > available or (needed and available < min(CRITICAL_SPACE, domain.capacity // 20)):
            raise conflict(f"Cannot {action}. Low disk space on Storage Domain {domain.name}.")

    def _disks_on(self, domain: StorageDomain) -> Iterable[Disk]:
        return (disk for disk in self.disks.values() if disk.storage_domain_id == domain.id)

    def measure(self, disk_id: str) -> None:
        """Asks the hypervisor how much a disk takes; call without the lock, since it may run a command."""
        with self.lock:
            disk = self.disks.get(disk_id)
            if disk is None or not disk.made or disk.status != DiskStatus.OK:
                return
        size = self.hypervisor.disk_info(disk_id).actual_size
        with self.lock:
            disk.actual_size = size

    # addresses

    def free_mac(self) -> str:
        """From a pool with the engine's prefix; unique among VMs and their NICs."""
        used = {nic.mac for vm in self.vms.values() for nic in vm.nics.values()}
        number = next(number for number in range(0x010000) if _mac(number) not in used)
        return _mac(number)

    def mac_holder(self, mac: str) -> Vm | None:
        return next((vm for vm in self.vms.values() for nic in vm.nics.values() if nic.mac == mac), None)

    def free_guest_address(self, network: Network) -> str:
        """An address for the network's DHCP to give, from the tenth on."""
        used = {nic.address for vm in self.vms.values() for nic in vm.nics.values()}
        hosts = list(ipaddress.ip_network(network.cidr).hosts())[FIRST_GUEST_ADDRESS - 1 :]
        for address in hosts:
            if str(address) not in used:
                return str(address)
        raise conflict(f"Cannot add Interface. No free address is left on network {network.name}.")

    def network_of_profile(self, profile_id: str) -> Network:
        return self.networks[self.vnic_profiles[profile_id].network_id]


def _mac(number: int) -> str:
    return f"56:6f:1a:1a:{number >> 8:02x}:{number & 0xFF:02x}"


def _get(records: Mapping[str, Record], identifier: str) -> Record:
    record = records.get(identifier)
    if record is None:
        raise gone()
    return record


def _resolve(records: Mapping[str, Named], node: Node, kind: str) -> Named:
    """By the id attribute, else by the name inside."""
    if node.id:
        record = records.get(node.id)
        if record is None:
            raise missing(f"{kind}: id={node.id}")
        return record
    name = node.string("name")
    found = next((record for record in records.values() if record.name == name), None)
    if found is None:
        raise missing(f"{kind}: name={name}")
    return found


def _default_mac_pool() -> MacPool:
    whole = ((_mac(0), _mac(0xFFFF)),)
    return MacPool(MAC_POOL_ID, "Default", "Default MAC pool", is_default=True, ranges=whole)


def _blank_template() -> Template:
    return Template(
        id=BLANK_TEMPLATE_ID,
        name="Blank",
        description="Blank template",
        settings=MachineSettings(),
        cluster_id=None,
        creation_time=now(),
        version_name="",
        version_number=0,
    )
