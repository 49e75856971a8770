"""Every option of an oVirt destination, changed once: what the engine then has."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.config import OvirtSection, Settings, TransferSection, load_settings
from coriolis.model.enums import EventLevel, Firmware, OsType, ResourceKind
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.model.replica import ClonedDisk, DetectedOs
from coriolis.providers.ovirt.plugin import OvirtProvider
from coriolis_lab.faults import Fault, FaultBook
from coriolis_lab.ovirt.front import OvirtFront
from coriolis_lab.settings import LabSettings
from tests.conformance.ovirt.memory_hypervisor import MemoryHypervisor
from tests.conformance.providers.conftest import GIB, QUICK
from tests.memory_operation import Crash, MemoryOperation

DEBIAN = DetectedOs("linux", "debian", "12", "Debian GNU/Linux 12 (bookworm)")
MACS = ("fa:16:3e:00:00:01", "fa:16:3e:00:00:02")


def instance(**change: Any) -> Instance:
    known: dict[str, Any] = {
        "id": "i1",
        "name": "web",
        "num_cpu": 2,
        "memory_mb": 512,
        "os_type": OsType.LINUX,
        "firmware": Firmware.BIOS,
        "disks": (Disk("d1", GIB, 0, bootable=True),),
        "nics": (Nic("private", MACS[0]), Nic("private", MACS[1])),
    }
    return Instance(**{**known, **change})


@dataclass
class Made:
    """A VM as a deployment left it."""

    vm: Any
    nics: list[Any]
    attachments: list[Any]
    op: MemoryOperation

    def warnings(self) -> str:
        return "\n".join(text for level, text in self.op.events if level == EventLevel.WARNING)


@dataclass
class Engine:
    """An engine with two data centres that name their networks alike, and storage of each kind."""

    front: OvirtFront
    faults: FaultBook
    ids: dict[str, str]
    clouds: list[Any] = field(default_factory=list)
    count: int = 0

    env = {  # noqa: RUF012
        "storage_domain": "files",
        "migr_template_map": {"linux": "worker"},
        "network_map": {"private": "blue"},
        "leave_migrated_vms_off": True,
        "data_transfer_mechanism": "ssh",  # disks in memory have no images
    }

    def destination(self, **options: Any) -> Any:
        known: dict[str, Any] = {"timeout": 10, "poll_interval": 0.02, **options}
        settings = Settings(
            transfer=TransferSection(connect_timeout=0.2), ovirt_migration_provider=OvirtSection(**known)
        )
        info = {
            "url": self.front.url,
            "username": self.front.username,
            "password": self.front.password,
            "ca_file": str(self.front.ca_file),
        }
        self.clouds.append(OvirtProvider().connect_destination(info, "lab-ovirt", settings))
        return self.clouds[-1]

    @property
    def system(self) -> Any:
        return self.destination()._client.system

    def operation(self, destination: Any) -> MemoryOperation:
        self.count += 1
        return MemoryOperation(destination._client.settings, job=f"job{self.count}")

    def deploy(
        self,
        what: Instance | None = None,
        env: dict[str, Any] | None = None,
        *,
        detected: DetectedOs | None = DEBIAN,
        **settings: Any,
    ) -> Made:
        """The final VM of an instance whose one disk stands for its copy."""
        destination = self.destination(**settings)
        op = self.operation(destination)
        wanted = what or instance()
        wanted = Instance(**{**_fields(wanted), "name": f"{wanted.name}{self.count}"})
        environment = {**self.env, **(env or {})}
        replicas = destination.deploy_disks(op, environment, wanted, [])
        disks = [ClonedDisk(r.disk_id, r.volume_id, r.volume_name, r.size_bytes, True) for r in replicas]
        result = destination.finalize_instance(op, environment, wanted, disks, detected)
        service = destination._client.system.vms_service().vm_service(result.id)
        nics = list(service.nics_service().list())
        return Made(service.get(), nics, list(service.disk_attachments_service().list(follow="disk")), op)

    def disk(self, what: Instance | None = None, **env: Any) -> Any:
        """The first replica disk."""
        destination = self.destination()
        op = self.operation(destination)
        (replica, *_) = destination.deploy_disks(op, {**self.env, **env}, what or instance(), [])
        return destination._client.system.disks_service().disk_service(replica.volume_id).get()

    def worker(self, env: dict[str, Any] | None = None, **settings: Any) -> tuple[Any, Any, MemoryOperation]:
        """A copy worker: what the provider tells, and the engine's VM."""
        destination = self.destination(**settings)
        op = self.operation(destination)
        worker = destination.deploy_target_resources(op, {**self.env, **(env or {})}, instance(), []).worker
        service = destination._client.system.vms_service().vm_service(worker.id)
        vm = service.get()
        vm.disk_attachments = service.disk_attachments_service().list(follow="disk")
        destination.delete_target_resources(op, self.env, [])
        assert not op.ledger.owed()
        return worker, vm, op

    def hollow_template(self) -> str:
        """The id of a template without disks, as an administrator may have one beside Blank."""
        vms, templates = self.system.vms_service(), self.system.templates_service()
        vm = vms.add(
            types.Vm(
                name="hollow",
                cluster=types.Cluster(name="Default"),
                template=types.Template(name="Blank"),
            )
        )
        made = templates.add(types.Template(name="hollow", vm=vm))
        service = templates.template_service(made.id)
        while service.get().status != types.TemplateStatus.OK:
            time.sleep(0.05)
        vms.vm_service(vm.id).remove()
        return str(made.id)

    def offers(self, name: str) -> list[str]:
        (offer,) = self.destination().destination_options(self.env, [name])
        return [value if isinstance(value, str) else value.name for value in offer.values]

    def refused(self, what: Instance | None = None, **env: Any) -> str:
        """The pre-check's words."""
        with pytest.raises(errors.CoriolisError) as raised:
            self.destination().validate_destination({**self.env, **env}, what or instance())
        return raised.value.message


def _fields(what: Instance) -> dict[str, Any]:
    return {name: getattr(what, name) for name in Instance.__dataclass_fields__}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    hypervisor, faults = MemoryHypervisor(), FaultBook()
    front = OvirtFront(
        hypervisor,
        LabSettings(root=tmp_path_factory.mktemp("ovirt"), delays=replace(QUICK, no_agent=0.1)),
        faults,
    )
    ids = {}
    for center in ("Default", "Far"):
        front.add_data_center(center)
        ids[center] = front.add_cluster(center, center)
        ids[f"{center}/blue"] = front.add_network("blue", center, "10.31.0.0/24")
    front.add_cluster("Old", "Default", "i440fx_sea_bios")
    for name, kind in {"files": "nfs", "blocks": "iscsi", "managed": "managed_block_storage"}.items():
        ids[name] = front.add_storage_domain(name, "Default", kind, capacity_bytes=100 * GIB)
    front.add_storage_domain("far-files", "Far", capacity_bytes=100 * GIB)
    hypervisor.register_image("worker", Path("/nowhere"), "raw")
    ids["worker"] = front.add_template("worker", "worker", "Default", "files", 4096, 2)
    front.add_template("small", "worker", "Default", "files", 1024, 1)
    front.add_template("far-worker", "worker", "Far", "far-files", 4096, 2)
    ids["pool"] = front.add_vm_pool("pool", "Default", "worker")
    front.add_vm_pool("far-pool", "Far", "far-worker")
    front.start()
    made = Engine(front, faults, ids)
    ids["hollow"] = made.hollow_template()
    yield made
    for cloud in made.clouds:
        cloud.close()
    front.stop()


# The file of settings


def test_the_published_example_of_the_settings_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "coriolis.conf"
    path.write_text(
        """
[ovirt_migration_provider]
default_migr_blank_template = "00000000-0000-0000-0000-000000000000"
default_cluster = Default
default_storage_domain = ""
default_vm_pool = ""
default_os_release = "other_linux"
default_optimized_for = "server"
default_delete_protected = False
default_leave_migrated_vms_off = false
default_migr_minion_cluster = Default
default_migr_template_map = linux: Bionic-passworded, windows: WS2016
default_migr_template_username_map = linux: coriolis, windows: coriolis
default_migr_template_password_map = linux: Passw0rd, windows: Passw0rd
default_migr_minion_storage_domain = ""
default_use_thin_disk_allocation = True
data_transfer_mechanism = HTTPS
windows_virtio_zip_url = https://example.com/V1037432-01.zip
"""
    )
    section = load_settings(path).ovirt_migration_provider
    assert section.default_migr_blank_template == "00000000-0000-0000-0000-000000000000"
    assert section.default_storage_domain == ""
    assert section.default_migr_template_map == {"linux": "Bionic-passworded", "windows": "WS2016"}
    assert section.default_migr_template_password_map["linux"].reveal() == "Passw0rd"
    assert "Passw0rd" not in repr(section)
    assert section.data_transfer_mechanism == "HTTPS"


def test_settings_hold_where_the_environment_is_silent(engine: Engine) -> None:
    """Those that no other test changes in the file of settings."""
    silent = dict.fromkeys(("storage_domain", "leave_migrated_vms_off", "migr_template_map"))
    made = engine.deploy(
        env={**silent, "network_map": engine.env["network_map"]},
        default_storage_domain="blocks",
        default_use_thin_disk_allocation=False,
        default_leave_migrated_vms_off=False,
    )
    (disk,) = [attachment.disk for attachment in made.attachments]
    assert disk.storage_domains[0].id == engine.ids["blocks"]
    assert (disk.format, disk.sparse) == (types.DiskFormat.RAW, False)
    assert made.vm.status == types.VmStatus.UP
    _, vm, _ = engine.worker(
        silent,
        default_storage_domain="files",
        default_migr_template_map={"linux": "worker"},
        default_migr_minion_cluster="Old",
        default_migr_minion_storage_domain="blocks",
    )
    assert engine.system.clusters_service().cluster_service(vm.cluster.id).get().name == "Old"
    assert [a.disk.storage_domains[0].id for a in vm.disk_attachments] == [engine.ids["blocks"]]


# Where it goes


def test_cluster(engine: Engine) -> None:
    assert engine.offers("cluster") == ["Default", "Far", "Old"]
    assert engine.deploy().vm.cluster.id == engine.ids["Default"]
    far = {"cluster": "Far", "storage_domain": "far-files"}
    made = engine.deploy(env=far)
    assert made.vm.cluster.id == engine.ids["Far"]
    profile = engine.system.vnic_profiles_service().profile_service(made.nics[0].vnic_profile.id).get()
    assert profile.network.id == engine.ids["Far/blue"]  # both data centres have a network "blue"
    assert engine.deploy(env={"cluster": engine.ids["Default"]}).vm.cluster.id == engine.ids["Default"]
    assert engine.deploy(default_cluster="Old").vm.bios.type == types.BiosType.I440FX_SEA_BIOS


def test_storage_domain(engine: Engine) -> None:
    assert engine.offers("storage_domain") == ["blocks", "files", "managed"]
    for named in ("blocks", engine.ids["blocks"]):
        assert engine.disk(storage_domain=named).storage_domains[0].id == engine.ids["blocks"]
    assert "no storage domain 'far-files'" in engine.refused(storage_domain="far-files")
    large = instance(disks=(Disk("d1", 9000 << 30),))
    assert "8192 GiB" in engine.refused(large, storage_domain="blocks")


@pytest.mark.parametrize(
    ("domain", "thin", "form", "sparse"),
    [
        ("files", True, types.DiskFormat.RAW, True),
        ("files", False, types.DiskFormat.RAW, False),
        ("blocks", True, types.DiskFormat.COW, True),
        ("blocks", False, types.DiskFormat.RAW, False),
        ("managed", True, types.DiskFormat.RAW, None),
    ],
)
def test_use_thin_disk_allocation(
    engine: Engine, domain: str, thin: bool, form: Any, sparse: bool | None
) -> None:
    disk = engine.disk(storage_domain=domain, use_thin_disk_allocation=thin)
    assert disk.format == form
    assert disk.sparse == sparse or sparse is None
    assert disk.provisioned_size >= GIB
    if domain == "managed":
        assert disk.storage_type == types.DiskStorageType.MANAGED_BLOCK_STORAGE


def test_network_map_and_nic_mappings(engine: Engine) -> None:
    profile = engine.system.vnic_profiles_service().list()
    blue = next(p for p in profile if p.network.id == engine.ids["Default/blue"])
    assert {nic.vnic_profile.id for nic in engine.deploy().nics} == {blue.id}
    by_id = engine.deploy(env={"network_map": {"private": engine.ids["Default/blue"]}})
    assert {nic.vnic_profile.id for nic in by_id.nics} == {blue.id}
    mapped = {
        "network_map": {},
        "nic_mappings": [{"mac_address": mac.upper(), "vnic_profile": "blue"} for mac in MACS],
    }
    assert {nic.vnic_profile.id for nic in engine.deploy(env=mapped).nics} == {blue.id}
    assert "no vNIC profile 'green'" in engine.refused(
        nic_mappings=[{"mac_address": MACS[0], "vnic_profile": "green"}]
    )


def test_keep_mac(engine: Engine) -> None:
    macs = ("52:54:00:00:00:01", "52:54:00:00:00:02")
    nics = tuple(Nic("private", mac) for mac in macs)
    first_only = {"keep_mac": False, "nic_mappings": [{"mac_address": macs[0], "keep_mac": True}]}
    made = engine.deploy(instance(nics=nics), first_only)
    found = {nic.name: nic.mac.address for nic in made.nics}
    assert found["nic1"] == macs[0]
    assert found["nic2"] not in (*macs, "")
    destination = engine.destination()
    env = {**engine.env, **first_only}
    assert destination.morphing_profile(env, instance(nics=nics)).mac_addresses == ()
    free = ("52:54:00:00:00:03", "52:54:00:00:00:04")
    unused = instance(nics=tuple(Nic("private", mac) for mac in free))
    assert destination.morphing_profile(engine.env, unused).mac_addresses == free
    again = engine.deploy(instance(nics=nics[:1]))
    assert again.nics[0].mac.address != macs[0]
    assert f"{macs[0]} is in use" in again.warnings()
    off = engine.deploy(instance(nics=nics[:1]), default_keep_mac=False)
    assert not off.warnings()


# What it is


def test_os_release(engine: Engine) -> None:
    assert "windows_2022" in engine.offers("os_release")
    assert engine.deploy().vm.os.type == "debian_9"
    assert engine.deploy(detected=None).vm.os.type == "other_linux"
    assert engine.deploy(env={"os_release": "rhel_9x64"}).vm.os.type == "rhel_9x64"
    assert engine.deploy(default_os_release="sles_11").vm.os.type == "sles_11"
    windows = DetectedOs("windows", "windows", "6.3", "Windows Server 2012 R2 Standard")
    assert engine.deploy(instance(os_type=OsType.WINDOWS), detected=windows).vm.os.type == "windows_2012R2x64"


def test_optimized_for(engine: Engine) -> None:
    assert engine.deploy().vm.type == types.VmType.SERVER
    assert engine.deploy(env={"optimized_for": "desktop"}).vm.type == types.VmType.DESKTOP
    fast = engine.deploy(default_optimized_for="high_performance").vm
    assert (fast.type, fast.memory_policy.ballooning) == (types.VmType.HIGH_PERFORMANCE, False)


def test_delete_protected(engine: Engine) -> None:
    assert not engine.deploy().vm.delete_protected
    assert engine.deploy(env={"delete_protected": True}).vm.delete_protected
    assert engine.deploy(default_delete_protected=True).vm.delete_protected


def test_leave_migrated_vms_off(engine: Engine) -> None:
    assert engine.deploy().vm.status == types.VmStatus.DOWN
    assert engine.deploy(env={"leave_migrated_vms_off": False}).vm.status == types.VmStatus.UP


def test_vm_pool(engine: Engine) -> None:
    assert engine.offers("vm_pool") == ["pool"]
    made = engine.deploy(env={"vm_pool": "pool"})
    assert made.vm.vm_pool is None
    assert "did not put the VM into pool 'pool'" in made.warnings()
    assert "pool" in engine.deploy(default_vm_pool=engine.ids["pool"]).warnings()
    assert "not in cluster 'Default'" in engine.refused(vm_pool="far-pool")


def test_migr_blank_template(engine: Engine) -> None:
    blank = "00000000-0000-0000-0000-000000000000"
    for named in ("Blank", blank):
        assert engine.deploy(env={"migr_blank_template": named}).vm.template.id == blank
    hollow = engine.ids["hollow"]
    assert engine.deploy(env={"migr_blank_template": "hollow"}).vm.template.id == hollow
    assert engine.deploy(default_migr_blank_template=hollow).vm.template.id == hollow
    assert "has disks" in engine.refused(migr_blank_template="worker")


@pytest.mark.parametrize(
    ("firmware", "secure", "bios"),
    [
        (Firmware.BIOS, False, types.BiosType.Q35_SEA_BIOS),
        (Firmware.EFI, False, types.BiosType.Q35_OVMF),
        (Firmware.EFI, True, types.BiosType.Q35_SECURE_BOOT),
    ],
)
def test_firmware(engine: Engine, firmware: Firmware, secure: bool, bios: Any) -> None:
    assert engine.deploy(instance(firmware=firmware, secure_boot=secure)).vm.bios.type == bios


def test_tpm(engine: Engine) -> None:
    uefi = {"firmware": Firmware.EFI, "os_type": OsType.WINDOWS}
    eleven = engine.deploy(instance(**uefi), {"os_release": "windows_11"})
    assert eleven.vm.tpm_enabled
    known = engine.deploy(instance(tpm=True, **uefi), {"os_release": "windows_2022"})
    assert known.vm.tpm_enabled
    assert "recovery keys" in known.warnings()
    without = engine.deploy(instance(tpm=True))
    assert not without.vm.tpm_enabled
    assert "no TPM" in without.warnings()
    assert "needs UEFI and a TPM" in engine.refused(os_release="windows_11")


@pytest.mark.parametrize(
    ("number", "os_type", "topology"),
    [
        (1, OsType.LINUX, (1, 1)),
        (6, OsType.LINUX, (6, 1)),
        (24, OsType.LINUX, (12, 2)),
        (6, OsType.WINDOWS, (1, 6)),
    ],
)
def test_processors(engine: Engine, number: int, os_type: OsType, topology: tuple[int, int]) -> None:
    found = engine.deploy(instance(num_cpu=number, os_type=os_type), detected=None).vm.cpu.topology
    assert (found.sockets, found.cores, found.threads) == (*topology, 1)


def test_memory(engine: Engine) -> None:
    vm = engine.deploy(instance(memory_mb=768)).vm
    assert (vm.memory, vm.memory_policy.guaranteed) == (768 << 20, 768 << 20)
    assert vm.memory_policy.max >= vm.memory
    little = engine.deploy(instance(memory_mb=128))
    assert little.vm.memory == 256 << 20
    assert "256 MiB" in little.warnings()


# Workers


def test_migr_template_map(engine: Engine) -> None:
    assert engine.offers("migr_template_map") == ["Blank", "far-worker", "hollow", "small", "worker"]
    worker, vm, op = engine.worker({"migr_template_map": {"linux": engine.ids["worker"]}})
    assert vm.template.id == engine.ids["worker"]
    assert worker.login.private_key is not None
    assert not op.events
    _, _, weak = engine.worker({"migr_template_map": {"linux": "small"}})
    ((level, text),) = weak.events
    assert level == EventLevel.WARNING
    assert re.search(r"'small' has 1 core\(s\) and 1024 MiB.* 2 and 2048 MiB", text)
    assert "no disk to boot from" in engine.refused(migr_template_map={"linux": "Blank"})


def test_migr_template_username_and_password_map(engine: Engine) -> None:
    known = {
        "default_migr_template_map": {"linux": "worker"},
        "default_migr_template_username_map": {"linux": "coriolis"},
        "default_migr_template_password_map": {"linux": "Passw0rd"},
    }
    destination = engine.destination(**known)
    op = engine.operation(destination)
    env = {"storage_domain": "files", "data_transfer_mechanism": "ssh"}
    login = destination.deploy_target_resources(op, env, instance(), []).worker.login
    destination.delete_target_resources(op, env, [])
    assert (login.username, login.private_key, login.password.reveal()) == ("coriolis", None, "Passw0rd")


def test_migr_minion_cluster(engine: Engine) -> None:
    _, vm, _ = engine.worker({"migr_minion_cluster": "Old"})
    assert engine.system.clusters_service().cluster_service(vm.cluster.id).get().name == "Old"
    assert "not in the data centre" in engine.refused(migr_minion_cluster="Far")


def test_migr_minion_storage_domain(engine: Engine) -> None:
    assert engine.offers("migr_minion_storage_domain") == ["blocks", "files"]
    _, vm, _ = engine.worker({"migr_minion_storage_domain": "blocks"})
    assert [a.disk.storage_domains[0].id for a in vm.disk_attachments] == [engine.ids["blocks"]]
    _, vm, _ = engine.worker({"migr_minion_storage_domain": "files"})
    assert vm.template.id == engine.ids["worker"]  # a thin one, beside its template
    assert "managed block storage" in engine.refused(migr_minion_storage_domain="managed")


def test_windows_virtio_zip_url(engine: Engine) -> None:
    engine.destination().validate_destination(
        {**engine.env, "windows_virtio_zip_url": "https://example.com/V1037432-01.zip"}, instance()
    )
    assert "windows_virtio_zip_url" in engine.refused(windows_virtio_zip_url="V1037432-01.zip")


def test_disk_clone_mechanism(engine: Engine) -> None:
    """The temporary VMs and the snapshot are gone, the copies are no longer of them, and the replicas are free."""
    two = instance(disks=(Disk("d1", GIB, 0, bootable=True), Disk("d2", 2 * GIB, 1)))
    destination = engine.destination(default_disk_clone_mechanism="snapshot")
    op = engine.operation(destination)
    before = {vm.name for vm in engine.system.vms_service().list()}
    replicas = destination.deploy_disks(op, engine.env, two, [])
    clones = destination.clone_disks(op, engine.env, two, replicas)
    assert [clone.bootable for clone in clones] == [True, False]
    assert {vm.name for vm in engine.system.vms_service().list()} == before
    disks = engine.system.disks_service()
    for replica, clone in zip(replicas, clones, strict=True):
        copy = disks.disk_service(clone.volume_id).get()
        assert (copy.name, copy.vms or []) == (clone.volume_name, [])
        assert copy.provisioned_size == replica.size_bytes
        assert not disks.disk_service(replica.volume_id).get().vms
    assert destination.clone_disks(op, engine.env, two, replicas) == clones
    destination.delete_cloned_disks(op, engine.env, two)
    assert not op.ledger.owed()
    destination.delete_disks(op, replicas)


@pytest.mark.parametrize("again", [False, True], ids=["revert", "resume"])
@pytest.mark.parametrize("kind", [ResourceKind.VM, ResourceKind.SNAPSHOT, ResourceKind.DISK])
def test_a_crash_while_disks_are_cloned_through_a_snapshot(
    engine: Engine, kind: ResourceKind, again: bool
) -> None:
    two = instance(disks=(Disk("d1", GIB, 0, bootable=True), Disk("d2", 2 * GIB, 1)))
    destination = engine.destination(default_disk_clone_mechanism="snapshot")
    op = engine.operation(destination)
    before = {vm.name for vm in engine.system.vms_service().list()}
    replicas = destination.deploy_disks(op, engine.env, two, [])
    op.ledger.crash_after = kind
    with pytest.raises(Crash):
        destination.clone_disks(op, engine.env, two, replicas)
    if again:
        assert len(destination.clone_disks(op, engine.env, two, replicas)) == 2
    destination.delete_cloned_disks(op, engine.env, two)
    assert not op.ledger.owed()
    assert {vm.name for vm in engine.system.vms_service().list()} == before
    named = {disk.name for disk in engine.system.disks_service().list()}
    assert {replica.volume_name for replica in replicas} <= named
    assert not [name for name in named if name.startswith(op.name("disk"))]
    destination.delete_disks(op, replicas)


def test_data_transfer_mechanism(engine: Engine) -> None:
    """What each does is in test_ovirt_images."""
    assert engine.offers("data_transfer_mechanism") == ["auto", "ssh", "https", "imageio"]
    assert "data_transfer_mechanism" in engine.refused(data_transfer_mechanism="carrier pigeon")
    without_template = {"migr_template_map": {}, "data_transfer_mechanism": "imageio"}
    engine.destination().validate_destination({**engine.env, **without_template}, instance())
    assert "migr_template_map.linux" in engine.refused(**{**without_template, "storage_domain": "managed"})


def test_a_worker_without_an_address_is_explained(engine: Engine) -> None:
    destination = engine.destination(timeout=1)
    op = engine.operation(destination)
    engine.faults.plant(Fault("vm.start", "no_address"))
    with pytest.raises(errors.CloudTimeout, match=r"'worker' needs qemu-guest-agent.* DHCP"):
        destination.deploy_target_resources(op, engine.env, instance(), [])
    destination.delete_target_resources(op, engine.env, [])
    assert not op.ledger.owed()
