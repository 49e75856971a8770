import json
from itertools import pairwise
from pathlib import Path

import pytest

from coriolis_lab.hypervisor import blockdev, command_line, network
from coriolis_lab.hypervisor.api import Bus, HypervisorError, Machine, VmDisk, VmNic, VmSpec
from coriolis_lab.hypervisor.command_line import MemoryFile, PlacedDisk, VmPaths
from coriolis_lab.hypervisor.layers import Layer
from coriolis_lab.hypervisor.topology import Topology

DISK_ID = "0f6e2c8e-7c1f-4f2a-9a51-1f0e6d3b9a77"
NIC = VmNic(mac="fa:16:3e:00:00:01", network="10.20.0.0/24", address="10.20.0.10")


def build(spec: VmSpec, bus: Bus = Bus.VIRTIO, memory: MemoryFile | None = None) -> list[str]:
    topology = Topology(spec.machine)
    place = topology.virtio_disks[0] if bus == Bus.VIRTIO else None
    placed = PlacedDisk(VmDisk(DISK_ID, bus, 0), Layer(Path("/l/000007.qcow2"), "qcow2", 2**30), place)
    return command_line.build(
        spec, topology, VmPaths(Path("/r")), [placed], spec.nics, config_drive=False, memory=memory
    )


def devices(command: list[str]) -> dict[str, dict[str, object]]:
    values = [json.loads(value) for option, value in pairwise(command) if option == "-device"]
    return {value.get("id", value["driver"]): value for value in values}


def spec(**changes: object) -> VmSpec:
    fields: dict[str, object] = {
        "id": "v",
        "name": "my vm",
        "memory_mb": 512,
        "cpus": 1,
        "nics": [NIC],
        **changes,
    }
    return VmSpec(**fields)  # type: ignore[arg-type]


def test_kvm_is_never_used() -> None:
    command = build(spec())
    assert command[command.index("-accel") + 1].startswith("tcg,")
    assert not any("kvm" in argument for argument in command)


@pytest.mark.parametrize(
    ("bus", "driver", "serial"),
    [
        (Bus.VIRTIO, "virtio-blk-pci", DISK_ID[:20]),
        (Bus.VIRTIO_SCSI, "scsi-hd", DISK_ID),
        (Bus.PVSCSI, "scsi-hd", DISK_ID),
        (Bus.SATA, "ide-hd", DISK_ID[:20]),
        (Bus.IDE, "ide-hd", DISK_ID[:20]),
    ],
)
def test_the_serial_is_the_disk_id(bus: Bus, driver: str, serial: str) -> None:
    device = devices(build(spec(), bus))[f"disk-{DISK_ID}"]
    assert (device["driver"], device["serial"], device["bootindex"]) == (driver, serial, 0)


def test_controllers_come_with_their_disks() -> None:
    assert "pvscsi0" in devices(build(spec(), Bus.PVSCSI))
    assert "sata0" in devices(build(spec(), Bus.SATA))
    assert not {"pvscsi0", "sata0"} & devices(build(spec())).keys()


def test_a_q35_machine_has_a_root_port_for_each_device_and_no_ide() -> None:
    made = devices(build(spec(machine=Machine.Q35)))
    assert made[f"disk-{DISK_ID}"]["bus"] in made
    assert made["cd0"]["driver"] == "scsi-cd"
    with pytest.raises(HypervisorError, match="no IDE"):
        build(spec(machine=Machine.Q35), Bus.IDE)


@pytest.mark.parametrize("machine", list(Machine))
def test_no_two_devices_share_a_slot(machine: Machine) -> None:
    topology = Topology(machine)
    places = [topology.scsi_controller, topology.serial, topology.random, topology.pvscsi_controller]
    places += [topology.sata_controller, *topology.nics, *topology.virtio_disks]
    assert len(set(places)) == len(places)
    assert all(int(place.address, 16) < 0x20 for place in places)


def test_uefi_has_variables_of_its_own() -> None:
    command = " ".join(build(spec(uefi=True)))
    assert "/r/vars.fd" in command
    assert "pflash0=" in command


def test_a_resumed_vm_maps_its_memory_copy_on_write() -> None:
    command = build(spec(), memory=MemoryFile(Path("/c/ram"), shared=False))
    backend = json.loads(command[command.index("-object") + 1])
    assert (backend["mem-path"], backend["share"], backend["size"]) == ("/c/ram", False, 512 * 2**20)


def test_dhcp_gives_the_address_of_the_nic() -> None:
    arguments = network.netdev(NIC)
    assert (arguments["host"], arguments["dhcpstart"], arguments["dns"]) == (
        "10.20.0.1",
        "10.20.0.10",
        "10.20.0.254",
    )


@pytest.mark.parametrize("address", ["10.20.0.1", "10.20.0.254", "10.20.0.0", "10.20.0.255", "10.99.0.4"])
def test_addresses_that_no_guest_can_have(address: str) -> None:
    with pytest.raises(HypervisorError):
        network.netdev(VmNic(mac=NIC.mac, network=NIC.network, address=address))


def test_node_names_are_short_whatever_the_path() -> None:
    layer = Layer(Path("/a/very/long/path/to/some/where/000123.qcow2"), "qcow2", 1)
    assert blockdev.node_name(layer) == "layer-000123"
