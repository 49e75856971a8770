"""POST /vms with an OVF document: the machine it describes, with the disks it names."""

from dataclasses import replace

from coriolis_lab.ovirt import ovf
from coriolis_lab.ovirt.attachment_work import check_attachable
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.machine_settings import MEBIBYTE, MachineSettings, check_settings
from coriolis_lab.ovirt.names import check_vm_name, normal_mac
from coriolis_lab.ovirt.operating_systems import known_types
from coriolis_lab.ovirt.ovf import Ovf
from coriolis_lab.ovirt.records import BLANK_TEMPLATE_ID, Attachment, Cluster, Nic, Vm
from coriolis_lab.ovirt.refusals import conflict, incomplete
from coriolis_lab.ovirt.resources.vms import check_name_free, render
from coriolis_lab.ovirt.vm_work import add_vm, new_vm
from coriolis_lab.ovirt.web import Call, Reply


def add_from_configuration(call: Call, document: str) -> Reply:
    """The caller holds the engine's lock. A name in the body overrides the document's."""
    engine, body = call.engine, call.document
    described = ovf.read(document)
    cluster_node = body.find("cluster")
    if cluster_node is None:
        raise incomplete("Vm", "cluster.id|name", "add")
    cluster = engine.named_cluster(cluster_node)
    name = body.string("name") or described.name
    check_vm_name(name)
    check_name_free(engine, name, cluster.data_center_id, "add")
    settings = _settings(engine, described, cluster)
    check_settings(settings, "add")
    vm = new_vm(name, cluster.id, BLANK_TEMPLATE_ID, settings)
    _attach(engine, vm, described)
    _add_nics(engine, vm, described)
    add_vm(engine, vm, [], [], correlation_id=call.correlation_id, fault=engine.admit("vm.create", name))
    return Reply(201, render(engine, vm))


def _settings(engine: Engine, described: Ovf, cluster: Cluster) -> MachineSettings:
    """A guest type that the engine does not know becomes "other"."""
    memory = described.memory_mb * MEBIBYTE
    known = {os_type.name.lower(): os_type.name for os_type in known_types(engine.look)}
    return replace(
        MachineSettings(),
        description=described.description,
        memory=memory,
        memory_guaranteed=memory,
        memory_max=4 * memory,
        sockets=described.sockets,
        cores=described.cores,
        os_type=known.get(described.os_type.lower(), "other"),
        bios_type=described.bios_type or cluster.bios_type,
    )


def _attach(engine: Engine, vm: Vm, described: Ovf) -> None:
    absent = [disk.id for disk in described.disks if disk.id not in engine.disks]
    if absent:
        raise conflict(f"Cannot add VM. The following disk(s) ID(s) does not exist: {', '.join(absent)}.")
    for disk in described.disks:
        attachment = Attachment(disk.id, disk.interface, active=True, bootable=disk.bootable)
        check_attachable(engine, vm, engine.disks[disk.id], attachment)
        vm.attachments[disk.id] = attachment


def _add_nics(engine: Engine, vm: Vm, described: Ovf) -> None:
    """A network that the data centre lacks leaves the NIC without a profile, as the engine imports it."""
    center = engine.clusters[vm.cluster_id].data_center_id
    for nic in described.nics:
        profile = next(
            (
                profile
                for profile in engine.vnic_profiles.values()
                if profile.name == nic.network
                and engine.networks[profile.network_id].data_center_id == center
            ),
            None,
        )
        mac = normal_mac(nic.mac) if nic.mac else engine.free_mac()
        if engine.mac_holder(mac) is not None:
            mac = engine.free_mac()
        address = engine.free_guest_address(engine.networks[profile.network_id]) if profile else ""
        made = Nic(new_id(), nic.name, nic.model, mac, profile.id if profile else None, address=address)
        vm.nics[made.id] = made
