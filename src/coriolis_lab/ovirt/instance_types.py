"""The sizes of VMs that an engine is set up with."""

from dataclasses import dataclass, replace

from coriolis_lab.ovirt.machine_settings import MEBIBYTE, MachineSettings


@dataclass(frozen=True)
class InstanceType:
    id: str
    name: str
    description: str
    memory_mb: int
    sockets: int = 1
    cores: int = 1

    def apply(self, settings: MachineSettings) -> MachineSettings:
        """The size of a VM that is made of this type."""
        memory = self.memory_mb * MEBIBYTE
        return replace(
            settings,
            memory=memory,
            memory_guaranteed=memory,
            memory_max=4 * memory,
            sockets=self.sockets,
            cores=self.cores,
            threads=1,
        )


_PREDEFINED = (
    InstanceType("00000003-0003-0003-0003-0000000000be", "Tiny", "Tiny instance type", 512),
    InstanceType("00000005-0005-0005-0005-0000000002e6", "Small", "Small instance type", 2048),
    InstanceType("00000007-0007-0007-0007-00000000010a", "Medium", "Medium instance type", 4096, 2),
    InstanceType("00000009-0009-0009-0009-0000000000f1", "Large", "Large instance type", 8192, 2),
    InstanceType("0000000b-000b-000b-000b-00000000021f", "XLarge", "Extra Large instance type", 16384, 4),
)


def predefined_types() -> dict[str, InstanceType]:
    return {one.id: one for one in _PREDEFINED}
