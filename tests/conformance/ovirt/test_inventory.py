"""What a client lists before it does anything."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types

BLANK = "00000000-0000-0000-0000-000000000000"


def test_clusters_and_data_centers(engine):
    [cluster] = engine.system.clusters_service().list()
    assert (cluster.name, cluster.bios_type) == ("Default", types.BiosType.Q35_SEA_BIOS)
    assert cluster.cpu.architecture == types.Architecture.X86_64
    [center] = engine.system.data_centers_service().list(search="Clusters.name=Default")
    assert center.id == cluster.data_center.id
    assert engine.system.data_centers_service().list(search="storage.name=data")[0].id == center.id
    assert engine.system.data_centers_service().list(search="storage.name=nothing") == []


def test_domain_status_is_told_only_below_the_data_center(engine):
    domains = {domain.name: domain for domain in engine.system.storage_domains_service().list()}
    assert domains["data"].status is None
    assert domains["data"].type == types.StorageDomainType.DATA
    assert domains["data"].storage.type == types.StorageType.NFS
    assert domains["data"].available > 400 * 1024**3
    assert domains["ovirt-image-repository"].status == types.StorageDomainStatus.UNATTACHED
    assert domains["ovirt-image-repository"].type == types.StorageDomainType.IMAGE
    [center] = engine.system.data_centers_service().list()
    service = engine.system.data_centers_service().data_center_service(center.id)
    [attached] = service.storage_domains_service().list()
    assert (attached.id, attached.status) == (domains["data"].id, types.StorageDomainStatus.ACTIVE)


def test_networks_and_profiles(engine):
    [network] = engine.system.networks_service().list(search="name=ovirtmgmt")
    assert network.usages == [types.NetworkUsage.VM]
    [profile] = engine.system.vnic_profiles_service().list()
    assert (profile.name, profile.network.id) == ("ovirtmgmt", network.id)
    [same] = engine.connection.follow_link(network.vnic_profiles)
    assert same.id == profile.id


def test_operating_systems_have_the_odd_root_tag(engine):
    systems = engine.system.operating_systems_service().list()
    names = {system.name: system for system in systems}
    assert len(systems) == 40
    assert names["other_linux"].id == "5"
    assert names["windows_11"].tpm_support == types.TpmSupport.REQUIRED


def test_templates(engine):
    templates = {template.name: template for template in engine.system.templates_service().list()}
    assert templates["Blank"].id == BLANK
    assert templates["Blank"].version.version_number == 0
    worker = templates["worker"]
    assert (worker.status, worker.memory) == (types.TemplateStatus.OK, 1024**3)
    assert worker.bios.type == types.BiosType.I440FX_SEA_BIOS
    service = engine.system.templates_service().template_service(worker.id)
    [attachment] = service.disk_attachments_service().list()
    assert (attachment.bootable, attachment.active) == (True, True)
    [disk] = engine.disks.list(search="name=worker_Disk1")
    assert (disk.id, disk.provisioned_size) == (attachment.disk.id, 2 * 1024**3)


def test_hosts_pools_profiles(engine):
    [host] = engine.system.hosts_service().list()
    assert host.status == types.HostStatus.UP
    assert engine.system.vm_pools_service().list() == []
    assert len(engine.system.disk_profiles_service().list()) == 1


def test_every_link_of_a_vm_leads_somewhere(engine):
    vm = engine.new_vm("links").get()
    names = (
        "graphics_consoles cdroms watchdogs disk_attachments snapshots applications host_devices "
        "reported_devices sessions nics permissions affinity_labels tags statistics"
    )
    for name in names.split():
        assert engine.connection.follow_link(getattr(vm, name)) is not None
    engine.vms.vm_service(vm.id).remove()


def test_root_links_and_summary(engine):
    api = engine.system.get()
    assert api.special_objects.blank_template.id == BLANK
    assert api.summary.hosts.total == 1
    assert api.time.tzinfo is not None


def test_unknown_id_is_an_empty_404(engine):
    nowhere = "11111111-2222-3333-4444-555555555555"
    with pytest.raises(ovirtsdk4.NotFoundError):
        engine.vms.vm_service(nowhere).get()
    answer = engine.raw("GET", f"/vms/{nowhere}", token=engine.connection.authenticate())
    assert (answer.status_code, answer.content) == (404, b"")


def test_malformed_id_is_a_400(engine):
    with pytest.raises(ovirtsdk4.Error) as raised:
        engine.vms.vm_service("no-uuid").get()
    assert raised.value.code == 400


def test_malformed_body_and_content_type(engine):
    token = engine.connection.authenticate()
    broken = engine.raw("POST", "/vms", token, data="<vm>", headers={"Content-Type": "application/xml"})
    assert (broken.status_code, b"Request syntactically incorrect." in broken.content) == (400, True)
    other = engine.raw("POST", "/vms", token, data="{}", headers={"Content-Type": "text/plain"})
    assert other.status_code == 415


def test_disks_and_events_by_where_they_are(engine):
    disk = engine.new_disk("somewhere")
    found = engine.disks.list(search="name=some* and datacenter=Default and number_of_vms=0")
    assert [item.id for item in found] == [disk.id]
    events = engine.system.events_service()
    assert events.list(search='time>"2026-01-01" and usrname=admin@*', max=3)
    assert events.list(search='time<"2020-01-01"') == []
