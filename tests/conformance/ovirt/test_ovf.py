"""VMs by OVF, in the form and with the calls of virt-v2v's upload: check, disk of its own id, VM, job."""

import uuid

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from tests.conformance.ovirt.conftest import GIGABYTE

OVF = """<?xml version='1.0' encoding='utf-8'?>
<ovf:Envelope xmlns:rasd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData'
 xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1/'>
  <References><File ovf:href='{disk}/{image}' ovf:id='{image}' ovf:size='1024'/></References>
  <Section xsi:type='ovf:DiskSection_Type'><Info>List of Virtual Disks</Info>
    <Disk ovf:diskId='{image}' ovf:size='1' ovf:capacity='1073741824' ovf:fileRef='{disk}/{image}' ovf:format='x'
     ovf:disk-interface='VirtIO_SCSI' ovf:disk-type='System' ovf:boot='True'/>
  </Section>
  <Content ovf:id='out' xsi:type='ovf:VirtualSystem_Type'>
    <Name>{name}</Name><TemplateId>00000000-0000-0000-0000-000000000000</TemplateId>
    <Description>by virt-v2v</Description><BiosType>2</BiosType>
    <Section ovf:id='{disk}' xsi:type='ovf:OperatingSystemSection_Type'>
      <Info>os</Info><Description>debian_9</Description>
    </Section>
    <Section xsi:type='ovf:VirtualHardwareSection_Type'>
      <Info>2 CPUs, 1024 Memory</Info>
      <Item><rasd:Caption>2 virtual cpu</rasd:Caption><rasd:InstanceId>1</rasd:InstanceId>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:num_of_sockets>1</rasd:num_of_sockets>
        <rasd:cpu_per_socket>2</rasd:cpu_per_socket></Item>
      <Item><rasd:Caption>1024 MB of memory</rasd:Caption><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>
      <Item><rasd:Caption>Ethernet adapter on {network}</rasd:Caption><rasd:ResourceType>10</rasd:ResourceType>
        <rasd:ResourceSubType>3</rasd:ResourceSubType><rasd:Connection>{network}</rasd:Connection>
        <rasd:Name>eth0</rasd:Name><rasd:MACAddress>00:16:3e:aa:bb:01</rasd:MACAddress></Item>
    </Section>
  </Content>
</ovf:Envelope>
"""

NEWER = """<?xml version='1.0' encoding='utf-8'?>
<ovf:Envelope xmlns:rasd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData'
 xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1/' xmlns:ovirt='http://www.ovirt.org/ovf' ovf:version='0.9'>
  <DiskSection><Info>List of Virtual Disks</Info>
    <Disk ovf:diskId='{disk}' ovf:size='1' ovf:capacity='1073741824' ovf:fileRef='{image}' ovf:format='x'
     ovf:disk-interface='VirtIO' ovf:disk-type='System' ovf:boot='True'/>
  </DiskSection>
  <VirtualSystem ovf:id='out'>
    <Name>{name}</Name><TemplateName>Blank</TemplateName><BiosType>1</BiosType>
    <OperatingSystemSection ovf:id='out' ovf:required='false' ovirt:id='1300'>
      <Info>12</Info><Description>debian_7</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection><Info>1 CPU, 2048 Memory</Info>
      <Item><rasd:ResourceType>3</rasd:ResourceType><rasd:num_of_sockets>1</rasd:num_of_sockets>
        <rasd:cpu_per_socket>1</rasd:cpu_per_socket></Item>
      <Item><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>2048</rasd:VirtualQuantity></Item>
      <Item><rasd:ResourceType>10</rasd:ResourceType><rasd:ResourceSubType>3</rasd:ResourceSubType>
        <Type>interface</Type><rasd:Connection>{network}</rasd:Connection><rasd:Name>eth0</rasd:Name></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</ovf:Envelope>
"""
"""Of virt-v2v 2.2: sections by their own names, and a disk that only its `diskId` names."""


def by_ovf(engine, document: str, **query):
    configuration = types.Configuration(type=types.ConfigurationType.OVF, data=document)
    vm = types.Vm(
        cluster=types.Cluster(name="Default"),
        initialization=types.Initialization(configuration=configuration),
    )
    return engine.vms.add(vm, query=query)


def test_the_machine_is_as_described(engine):
    disk_id = str(uuid.uuid4())
    engine.new_disk("v2v-sda", GIGABYTE, id=disk_id, initial_size=GIGABYTE)
    [center] = engine.system.data_centers_service().list(search="storage.name=data", case_sensitive=True)
    assert [item.name for item in engine.connection.follow_link(center.clusters)] == ["Default"]
    document = OVF.format(disk=disk_id, image=uuid.uuid4(), name="from-ovf", network="ovirtmgmt")
    made = by_ovf(engine, document, correlation_id="v2v-1")
    [job] = engine.system.jobs_service().list(search="correlation_id=v2v-1")
    assert job.status == types.JobStatus.FINISHED
    service = engine.vms.vm_service(made.id)
    vm = service.get()
    assert (vm.name, vm.memory, vm.os.type) == ("from-ovf", GIGABYTE, "debian_9")
    assert (vm.cpu.topology.sockets, vm.cpu.topology.cores) == (1, 2)
    [attachment] = service.disk_attachments_service().list()
    assert (attachment.id, attachment.bootable, attachment.active) == (disk_id, True, True)
    assert attachment.interface == types.DiskInterface.VIRTIO_SCSI
    [nic] = service.nics_service().list()
    assert (nic.name, nic.mac.address, nic.vnic_profile.id) == (
        "eth0",
        "00:16:3e:aa:bb:01",
        engine.profile_id("ovirtmgmt"),
    )
    engine.start(service)


def test_the_form_of_virt_v2v_2_2(engine):
    disk_id = str(uuid.uuid4())
    engine.new_disk("v2v-sda", GIGABYTE, id=disk_id, initial_size=GIGABYTE)
    made = by_ovf(engine, NEWER.format(disk=disk_id, image=uuid.uuid4(), name="newer", network="ovirtmgmt"))
    service = engine.vms.vm_service(made.id)
    assert (service.get().name, service.get().memory) == ("newer", 2 * GIGABYTE)
    assert [item.id for item in service.disk_attachments_service().list()] == [disk_id]
    assert [nic.vnic_profile.id for nic in service.nics_service().list()] == [engine.profile_id("ovirtmgmt")]


@pytest.mark.parametrize(
    ("document", "code", "text"),
    [
        ("<broken", 400, "The OVF configuration could not be parsed"),
        ("<Envelope/>", 400, "The OVF configuration could not be parsed"),
        (
            OVF.format(disk="0f0f0f0f-1111-4222-8333-555555555555", image="x", name="diskless", network="n"),
            409,
            r"The following disk\(s\) ID\(s\) does not exist: 0f0f0f0f",
        ),
    ],
)
def test_refusals(engine, document, code, text):
    with pytest.raises(ovirtsdk4.Error, match=text) as raised:
        by_ovf(engine, document)
    assert raised.value.code == code
    assert engine.vms.list(search="name=diskless") == []
