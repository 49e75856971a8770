"""A VM as an OVF document, as `?all_content=true` adds it: what backup programs keep, and hand in to make it anew.

`ovf.read` understands it again.
"""

from xml.sax.saxutils import escape, quoteattr

from coriolis_lab.ovirt.engine import GIGABYTE, Engine
from coriolis_lab.ovirt.machine_settings import MEBIBYTE
from coriolis_lab.ovirt.ovf import BIOS_NUMBERS, INTERFACE_NAMES, NIC_NUMBERS
from coriolis_lab.ovirt.records import Attachment, Nic, Vm

_NAMESPACES = (
    'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/" '
    'xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" '
    'xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def write(engine: Engine, vm: Vm) -> str:
    disks = [item for item in vm.attachments.values() if item.disk_id in engine.disks]
    settings = vm.settings
    return "".join(
        (
            f'<?xml version="1.0" encoding="UTF-8"?><ovf:Envelope {_NAMESPACES} ovf:version="4.4.0.0">',
            "<References>",
            *(_file(engine, item) for item in disks),
            "</References>",
            '<NetworkSection><Info>List of networks</Info></NetworkSection><Section xsi:type="ovf:DiskSection_Type">',
            "<Info>List of Virtual Disks</Info>",
            *(_disk(engine, item) for item in disks),
            f'</Section><Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type">{_text("Name", vm.name)}',
            _text("Description", settings.description),
            _text("Comment", settings.comment),
            _text("TemplateId", vm.template_id),
            _text("ClusterName", engine.clusters[vm.cluster_id].name),
            _text("BiosType", BIOS_NUMBERS[settings.bios_type]),
            _text("DeleteProtected", str(settings.delete_protected).lower()),
            _text("MinAllocatedMem", settings.memory_guaranteed // MEBIBYTE),
            f'<Section ovf:id="{vm.id}" ovf:required="false" xsi:type="ovf:OperatingSystemSection_Type">',
            f"<Info>Guest Operating System</Info>{_text('Description', settings.os_type)}</Section>",
            '<Section xsi:type="ovf:VirtualHardwareSection_Type"><Info>',
            f"{settings.cpus} CPU, {settings.memory // MEBIBYTE} Memory</Info>",
            _item(
                3,
                f"{settings.cpus} virtual cpu",
                num_of_sockets=settings.sockets,
                cpu_per_socket=settings.cores,
            ),
            _item(
                4, f"{settings.memory // MEBIBYTE} MB of memory", VirtualQuantity=settings.memory // MEBIBYTE
            ),
            *(_item(17, engine.disks[item.disk_id].alias, InstanceId=item.disk_id) for item in disks),
            *(_nic(engine, nic) for nic in vm.nics.values()),
            "</Section></Content></ovf:Envelope>",
        )
    )


def _text(tag: str, value: str | int) -> str:
    return f"<{tag}>{escape(str(value))}</{tag}>"


def _item(kind: int, caption: str, **fields: str | int) -> str:
    """`kind` is CIM's number: 3 processor, 4 memory, 10 network, 17 disk."""
    named = {"Caption": caption, "ResourceType": kind, **fields}
    return f"<Item>{''.join(_text(f'rasd:{name}', value) for name, value in named.items())}</Item>"


def _nic(engine: Engine, nic: Nic) -> str:
    profile = engine.vnic_profiles.get(nic.vnic_profile_id or "")
    name = profile.name if profile else ""
    number = NIC_NUMBERS[nic.interface]
    return _item(
        10,
        f"Ethernet adapter on {name}",
        ResourceSubType=number,
        Connection=name,
        Name=nic.name,
        MACAddress=nic.mac,
    )


def _file(engine: Engine, item: Attachment) -> str:
    disk = engine.disks[item.disk_id]
    place = quoteattr(f"{disk.id}/{disk.image_id}")
    return f'<File ovf:href={place} ovf:id="{disk.image_id}" ovf:size="{disk.actual_size}"/>'


def _disk(engine: Engine, item: Attachment) -> str:
    disk = engine.disks[item.disk_id]
    attributes = {
        "diskId": disk.image_id,
        "fileRef": f"{disk.id}/{disk.image_id}",
        "size": -(-disk.provisioned_size // GIGABYTE),
        "capacity": disk.provisioned_size,
        "volume-format": "RAW" if disk.base_format == "raw" else "COW",
        "volume-type": "Sparse" if disk.sparse else "Preallocated",
        "disk-interface": INTERFACE_NAMES[item.interface],
        "boot": str(item.bootable).lower(),
        "disk-alias": disk.alias,
    }
    return f"<Disk {' '.join(f'ovf:{name}={quoteattr(str(value))}' for name, value in attributes.items())}/>"
