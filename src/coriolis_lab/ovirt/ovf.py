"""VMs described by an OVF document, as virt-v2v hands them to the engine in `initialization/configuration`.

The disks are there already; the document names them by `fileRef`, DISK_ID/IMAGE_ID.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from coriolis_lab.ovirt.document import MalformedXmlError, Node, parse
from coriolis_lab.ovirt.refusals import invalid

_SYSTEMS = ("Content", "VirtualSystem")  # OVF 0.9 as oVirt writes it, and as virt-v2v 2.2 does
_PROCESSOR, _MEMORY, _NETWORK = "3", "4", "10"
# the engine's own names -> those of the document
INTERFACE_NAMES = {"virtio": "VirtIO", "virtio_scsi": "VirtIO_SCSI", "ide": "IDE", "sata": "SATA"}
NIC_NUMBERS = {"virtio": "3", "rtl8139": "1", "e1000": "2", "e1000e": "6"}
BIOS_NUMBERS = {"i440fx_sea_bios": "1", "q35_sea_bios": "2", "q35_ovmf": "3", "q35_secure_boot": "4"}
_INTERFACES = {written.lower(): name for name, written in INTERFACE_NAMES.items()}
_NIC_MODELS = {written: name for name, written in NIC_NUMBERS.items()}
_BIOS_TYPES = {written: name for name, written in BIOS_NUMBERS.items()}


@dataclass(frozen=True)
class OvfDisk:
    id: str
    interface: str
    bootable: bool


@dataclass(frozen=True)
class OvfNic:
    """`network`: also the vNIC profile's name. `mac` is empty for one of the engine's own."""

    name: str
    network: str
    model: str
    mac: str


@dataclass(frozen=True)
class Ovf:
    """`bios_type` None: the cluster's. `os_type` as the document has it, which need not be one the engine knows."""

    name: str
    description: str
    memory_mb: int
    sockets: int
    cores: int
    os_type: str
    bios_type: str | None
    disks: tuple[OvfDisk, ...]
    nics: tuple[OvfNic, ...]


def read(text: str) -> Ovf:
    """Raises the engine's refusal of what it cannot parse."""
    try:
        root = _without_prefixes(parse(text.encode()))
        content = next(node for node in root.children if node.tag in _SYSTEMS)
        items = [item for section in content.children for item in section.all("Item")]
        processor = next(item for item in items if item.string("ResourceType") == _PROCESSOR)
        memory = next(item for item in items if item.string("ResourceType") == _MEMORY)
        system = next((node for node in content.children if _is(node, "OperatingSystemSection")), Node(""))
        return Ovf(
            name=content.string("Name") or "",
            description=content.string("Description") or "",
            memory_mb=int(memory.string("VirtualQuantity") or 0),
            sockets=int(processor.string("num_of_sockets") or processor.string("VirtualQuantity") or 1),
            cores=int(processor.string("cpu_per_socket") or 1),
            os_type=system.string("Description") or "other",
            bios_type=_BIOS_TYPES.get(content.string("BiosType") or ""),
            disks=tuple(_disks(root)),
            nics=tuple(_nics(items)),
        )
    except (MalformedXmlError, StopIteration, ValueError, KeyError) as error:
        raise invalid("Cannot add VM. The OVF configuration could not be parsed.") from error


def _disks(root: Node) -> Iterator[OvfDisk]:
    for section in root.children:
        if _is(section, "DiskSection"):
            for disk in section.all("Disk"):
                attributes = disk.attributes
                reference = attributes.get("fileRef", "")
                identifier = reference.partition("/")[0] if "/" in reference else attributes["diskId"]
                interface = attributes.get("disk-interface", "VirtIO").lower()
                bootable = attributes.get("boot", "false").lower() == "true"
                yield OvfDisk(identifier, _INTERFACES.get(interface, "virtio"), bootable)


def _nics(items: list[Node]) -> Iterator[OvfNic]:
    for number, item in enumerate((item for item in items if item.string("ResourceType") == _NETWORK), 1):
        yield OvfNic(
            name=item.string("Name") or f"nic{number}",
            network=item.string("Connection") or "",
            model=_NIC_MODELS.get(item.string("ResourceSubType") or "", "virtio"),
            mac=(item.string("MACAddress") or "").lower(),
        )


def _is(node: Node, section: str) -> bool:
    """Sections say by `xsi:type` what they are; their tags are alike."""
    return section in node.attributes.get("type", "") or node.tag == section


def _without_prefixes(node: Node) -> Node:
    """ovf:Envelope -> Envelope, in tags and attributes alike."""
    return Node(
        node.tag.rpartition(":")[2],
        {name.rpartition(":")[2]: value for name, value in node.attributes.items()},
        [_without_prefixes(child) for child in node.children],
        node.text,
    )
