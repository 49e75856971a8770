"""Where devices sit: the same places in every start of a VM, so that interface names stay and hot-plug finds
room.

On `pc` every device is a slot of the one PCI bus, hot-plugged through ACPI. On `q35` every device gets a
PCIe root port of its own, and there are fewer: each takes 4 KiB of the 64 KiB of I/O space.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from coriolis_lab.hypervisor.api import HypervisorError, Machine

SCSI_BUS = "scsi0.0"
PVSCSI_BUS = "pvscsi0.0"
CD_ID = "cd0"


@dataclass(frozen=True)
class Place:
    bus: str
    address: str


class Topology:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        disks, nics = (20, 4) if machine == Machine.PC else (6, 2)
        self._places = [self._place(index) for index in range(4 + disks + (nics - 1) + 2)]
        self.scsi_controller, self.serial, self.random = self._places[1:4]
        self.nics: Sequence[Place] = [self._places[0], *self._places[4 + disks : 4 + disks + nics - 1]]
        self.virtio_disks: Sequence[Place] = self._places[4 : 4 + disks]
        self.pvscsi_controller, self.sata_controller = self._places[-2:]

    @property
    def root_ports(self) -> Sequence[dict[str, object]]:
        """Devices that the places need; none on `pc`."""
        if self.machine == Machine.PC:
            return []
        return [
            {
                "driver": "pcie-root-port",
                "id": place.bus,
                "bus": "pcie.0",
                "addr": hex(0x2 + index),
                "chassis": index + 1,
            }
            for index, place in enumerate(self._places)
        ]

    def free_disk_place(self, taken: Sequence[Place]) -> Place:
        for place in self.virtio_disks:
            if place not in taken:
                return place
        raise HypervisorError(f"no room for another virtio disk on this {self.machine} machine")

    def _place(self, index: int) -> Place:
        # 0 is the host bridge, 1 the south bridge, 2 where graphics would be
        return (
            Place("pci.0", hex(0x3 + index)) if self.machine == Machine.PC else Place(f"port{index}", "0x0")
        )
