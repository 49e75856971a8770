"""The examples that come with the SDK, unchanged, on an engine in memory that has what they name."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ovirtsdk4 import types

from coriolis_lab.faults import FaultBook
from coriolis_lab.ovirt.checking import CheckedApp
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.settings import LabSettings
from tests.conformance.ovirt.conftest import GIGABYTE, SHORT, Engine
from tests.conformance.ovirt.memory_hypervisor import MemoryHypervisor
from tests.ovirt_clients.conftest import CLIENTS

SECONDS = 120
VMS = ("myvm", "myvm0", "myvm1", "myagent")
CONFIGURED = ("-c", "engine")  # a section of ~/.config/ovirt.conf


@dataclass(frozen=True)
class Example:
    """`without`: what the example itself makes. `running`: VMs that it finds up. `{disk}` in arguments is the id of
    mydisk.
    """

    name: str
    arguments: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    running: tuple[str, ...] = ()


def making(name: str, *without: str) -> Example:
    return Example(name, without=frozenset(without))


# Left out are those that need what the lab has not: other hosts, Glance, LUNs, export domains, appliances, NUMA;
# those for images, which `test_image_clients` and `test_backups` are for; and vm_backup, which fails on Python 3 itself
# (`test_backup_programs` does the same).
EXAMPLES = (
    making("add_affinity_label", "my_affinity_label"),
    making("add_cluster", "mycluster"),
    making("add_data_center", "mydc"),
    Example("add_floating_disk"),
    Example("add_group"),
    Example("add_independet_vm"),
    Example("add_instance_type"),
    making("add_logical_network", "mynetwork"),
    Example("add_mac_pool"),
    making("add_nfs_data_storage_domain", "mydata"),
    Example("add_nfs_iso_storage_domain"),
    Example("add_role"),
    making("add_tag", "mytag"),
    making("add_template", "mytemplate"),
    Example("add_user_ssh_public_key"),
    making("add_vm", "myvm"),
    Example("add_vm_disk"),
    making("add_vm_nic", "mynic"),
    Example("add_vm_pool"),
    Example("add_vm_snapshot"),
    making("add_vm_with_sysprep", "myvm"),
    Example("add_vnc_console"),
    Example("assign_affinity_label_to_vm"),
    Example("assign_tag_to_vm"),
    Example("asynchronous_inventory"),
    Example("connection_builder"),
    Example("deactivate_disk_attachment", running=("myvm",)),
    Example("disable_compression"),
    Example("download_vm_ovf"),
    Example("enable_serial_console"),
    Example("follow_vm_links"),
    Example("get_vm_ip", running=("myvm",)),
    Example("list_affinity_labels"),
    Example("list_cluster_networks"),
    Example("list_disk_snapshots", (*CONFIGURED, "{disk}")),
    Example("list_host_statistics"),
    Example("list_roles"),
    Example("list_storage_domains", CONFIGURED),
    Example("list_tags"),
    Example("list_tags_of_vm"),
    Example("list_vm_disks"),
    Example("list_vm_snapshots"),
    Example("list_vms"),
    Example("page_vms"),
    Example("pin_vm"),
    Example("print_vm_mac_duplicates"),
    Example("remove_tag"),
    Example("remove_vm"),
    Example("search_vms"),
    Example("set_vm_lease_storage_domain"),
    Example("set_vm_serial_number"),
    Example("show_summary"),
    Example("sparsify_disk"),
    Example("start_vm"),
    Example("start_vm_with_boot_devices"),
    Example("start_vm_with_cloud_init"),
    Example("stop_vm", running=("myvm",)),
    Example("test_connection"),
    Example("update_data_center"),
)


@dataclass
class World:
    engine: Engine
    checked: CheckedApp
    home: Path

    def run(self, example: Example) -> None:
        login = {
            "url": self.engine.front.url,
            "username": self.engine.front.username,
            "password": self.engine.front.password,
            "ca_file": str(self.engine.front.ca_file),
        }
        disk = self.engine.disks.list(search="name=mydisk")[0].id
        arguments = [argument.format(disk=disk) for argument in example.arguments]
        runner = Path(__file__).with_name("run_example.py")
        file = CLIENTS / "examples" / f"{example.name}.py"
        done = subprocess.run(
            [CLIENTS / "bin" / "python", runner, file, *arguments],
            env={**os.environ, "LOGIN": json.dumps(login), "HOME": str(self.home)},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The parameter is the example."""
    made: list[CheckedApp] = []

    def wrap(app):
        made.append(CheckedApp(app))
        return made[0]

    hypervisor = MemoryHypervisor()
    front = OvirtFront(hypervisor, LabSettings(root=tmp_path / "lab", delays=SHORT), FaultBook(), wrap=wrap)
    without = request.param.without
    names = {name: f"other-{name}" if name in without else name for name in ("mydc", "mycluster", "mydata")}
    fill(front, hypervisor, names, without)
    front.start()
    engine = Engine(front, hypervisor, FaultBook(), None)
    engine.connection = engine.connect()
    furnish(engine, names, without)
    for name in request.param.running:
        [vm] = engine.vms.list(search=f"name={name}")
        engine.start(engine.vms.vm_service(vm.id))
    configuration = tmp_path / ".config" / "ovirt.conf"
    configuration.parent.mkdir()
    configuration.write_text(
        f"[engine]\nengine_url=https://x\nusername=x\npassword=x\ncafile={front.ca_file}\n"
    )
    made[0].problems.clear()
    yield World(engine, made[0], tmp_path)
    engine.connection.close()
    front.stop()
    assert made[0].problems == []


def fill(
    front: OvirtFront, hypervisor: MemoryHypervisor, names: dict[str, str], without: frozenset[str]
) -> None:
    front.add_data_center(names["mydc"])
    for cluster in (names["mycluster"], "Default"):
        front.add_cluster(cluster, names["mydc"])
    front.add_storage_domain(names["mydata"], names["mydc"])
    for network in ("ovirtmgmt", "mynetwork"):
        if network not in without:
            front.add_network(network, names["mydc"], "10.20.0.0/24")
    hypervisor.register_image("image", Path("/none"), "qcow2")
    template = "other-template" if "mytemplate" in without else "mytemplate"
    front.add_template(template, "image", names["mycluster"], names["mydata"], memory_mb=1024, cpus=1)


def furnish(engine: Engine, names: dict[str, str], without: frozenset[str]) -> None:
    """Through the API, as an administrator would."""
    hosts = engine.system.hosts_service()
    [host] = hosts.list(search=f"cluster={names['mycluster']}")
    hosts.host_service(host.id).update(types.Host(name="myhost"))
    [template] = [one.name for one in engine.system.templates_service().list() if one.name != "Blank"]
    for name in VMS:
        if name in without:
            continue
        vm = engine.vms.add(
            types.Vm(
                name=name,
                cluster=types.Cluster(name=names["mycluster"]),
                template=types.Template(name=template),
            )
        )
        service = engine.vms.vm_service(vm.id)
        engine.wait(lambda service=service: service.get().status == types.VmStatus.DOWN)
        if "mynic" not in without and "mynetwork" not in without:
            profile = types.VnicProfile(id=engine.profile_id("mynetwork"))
            service.nics_service().add(types.Nic(name="mynic", vnic_profile=profile))
    if "mytag" not in without:
        engine.system.tags_service().add(types.Tag(name="mytag"))
    if "my_affinity_label" not in without:
        engine.system.affinity_labels_service().add(types.AffinityLabel(name="my_affinity_label"))
    users = engine.system.users_service()
    users.add(types.User(user_name="myuser@internal-authz", domain=types.Domain(name="internal-authz")))
    engine.new_disk("mydisk", GIGABYTE, domain=names["mydata"], format=types.DiskFormat.COW)


@pytest.mark.parametrize("world", EXAMPLES, ids=lambda one: one.name, indirect=True)
def test_example(world, request):
    world.run(request.node.callspec.params["world"])
