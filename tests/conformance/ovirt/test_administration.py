"""What administrators do, through the SDK: networks, affinity, people, hosts and storage in and out of service."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types


@pytest.fixture
def center(engine):
    [found] = engine.system.data_centers_service().list(search="name=Default")
    return engine.system.data_centers_service().data_center_service(found.id)


@pytest.fixture
def cluster(engine):
    [found] = engine.system.clusters_service().list(search="name=Default")
    return engine.system.clusters_service().cluster_service(found.id)


def refused(call, text: str, code: int = 409) -> None:
    with pytest.raises(ovirtsdk4.Error, match=text) as raised:
        call()
    assert raised.value.code == code


def test_a_network_from_birth_to_end(engine, cluster, center):
    networks = engine.system.networks_service()
    data_center = types.DataCenter(name="Default")
    made = networks.add(
        types.Network(name="blue", data_center=data_center, vlan=types.Vlan(id=7), mtu=9000, description="d")
    )
    assert (made.vlan.id, made.mtu, made.usages) == (7, 9000, [types.NetworkUsage.VM])
    refused(
        lambda: networks.add(types.Network(name="blue", data_center=data_center)),
        "already used by an existing",
    )
    [profile] = engine.connection.follow_link(made.vnic_profiles)
    assert (profile.name, profile.network.id) == ("blue", made.id)
    # no cluster has it yet
    assert [one.name for one in cluster.networks_service().list()] == ["ovirtmgmt"]
    assigned = cluster.networks_service().add(types.Network(id=made.id, required=False))
    assert (assigned.required, assigned.status) == (False, types.NetworkStatus.OPERATIONAL)
    refused(lambda: cluster.networks_service().add(types.Network(id=made.id)), "already attached")
    assert "blue" in [one.name for one in center.networks_service().list()]
    nic = (
        engine.new_vm("blue-user")
        .nics_service()
        .add(types.Nic(name="nic1", vnic_profile=types.VnicProfile(id=profile.id)))
    )
    service = networks.network_service(made.id)
    refused(service.remove, "blue-user")
    refused(engine.system.vnic_profiles_service().profile_service(profile.id).remove, "blue-user")
    [vm] = engine.vms.list(search="name=blue-user")
    engine.vms.vm_service(vm.id).nics_service().nic_service(nic.id).remove()
    assert service.update(types.Network(name="green", mtu=1500)).name == "green"
    label = service.network_labels_service().add(types.NetworkLabel(id="fast"))
    assert label.id == "fast"
    service.network_labels_service().label_service("fast").remove()
    service.remove()
    engine.wait_gone(service)
    assert profile.id not in [one.id for one in engine.system.vnic_profiles_service().list()]
    [management] = networks.list(search="name=ovirtmgmt")
    refused(networks.network_service(management.id).remove, "mandatory")


def test_vnic_profiles_and_filters(engine):
    profiles = engine.system.vnic_profiles_service()
    [network] = engine.system.networks_service().list(search="name=ovirtmgmt")
    filters = {one.name: one for one in engine.system.network_filters_service().list()}
    body = types.VnicProfile(
        name="mirror",
        network=types.Network(id=network.id),
        port_mirroring=True,
        network_filter=types.NetworkFilter(id=filters["clean-traffic"].id),
    )
    made = profiles.add(body)
    assert (made.port_mirroring, made.network_filter.id) == (True, filters["clean-traffic"].id)
    refused(lambda: profiles.add(body), "already used")
    service = profiles.profile_service(made.id)
    passing = types.VnicProfile(
        name="vf", pass_through=types.VnicPassThrough(mode=types.VnicPassThroughMode.ENABLED)
    )
    changed = service.update(passing)
    assert (changed.name, changed.pass_through.mode.value, changed.network_filter) == ("vf", "enabled", None)
    service.remove()


def test_affinity(engine, cluster):
    first, second = engine.new_vm("near-1").get(), engine.new_vm("near-2").get()
    groups = cluster.affinity_groups_service()
    made = groups.add(
        types.AffinityGroup(
            name="together",
            vms_rule=types.AffinityRule(enabled=True, positive=True, enforcing=False),
            vms=[types.Vm(id=first.id)],
        )
    )
    assert (made.positive, made.enforcing, [vm.id for vm in made.vms]) == (True, False, [first.id])
    service = groups.group_service(made.id)
    service.vms_service().add(types.Vm(id=second.id))
    refused(lambda: service.vms_service().add(types.Vm(id=second.id)), "Duplicate VM")
    assert {vm.name for vm in service.vms_service().list()} == {"near-1", "near-2"}
    service.vms_service().vm_service(first.id).remove()
    labels = engine.system.affinity_labels_service()
    label = labels.add(types.AffinityLabel(name="pci"))
    engine.vms.vm_service(first.id).affinity_labels_service().add(types.AffinityLabel(id=label.id))
    assert [vm.id for vm in labels.label_service(label.id).vms_service().list()] == [first.id]
    apart = types.AffinityRule(enabled=True, positive=False, enforcing=True)
    changed = service.update(
        types.AffinityGroup(vms_rule=apart, vm_labels=[types.AffinityLabel(id=label.id)])
    )
    assert (changed.positive, changed.enforcing, changed.vm_labels[0].id) == (False, True, label.id)
    refused(lambda: groups.add(types.AffinityGroup(name="together")), "already exists")
    service.remove()
    labels.label_service(label.id).remove()
    assert groups.list() == []


def test_people_and_what_they_may(engine):
    users, system = engine.system.users_service(), engine.system
    made = users.add(types.User(user_name="anna@internal-authz", domain=types.Domain(name="internal-authz")))
    assert (made.user_name, made.principal) == ("anna@internal-authz", "anna")
    assert users.list(search="usrname=anna@internal-authz")[0].id == made.id
    roles = {role.name: role for role in system.roles_service().list()}
    vm = engine.new_vm("annas")
    given = vm.permissions_service().add(
        types.Permission(user=types.User(id=made.id), role=types.Role(name="UserVmManager"))
    )
    assert (given.role.id, given.vm.id) == (roles["UserVmManager"].id, vm.get().id)
    assert [one.id for one in users.user_service(made.id).permissions_service().list()] == [given.id]
    inherited = next(one for one in vm.permissions_service().list() if one.id != given.id)
    refused(vm.permissions_service().permission_service(inherited.id).remove, "internal admin user")
    vm.permissions_service().permission_service(given.id).remove()
    mine = system.roles_service().add(
        types.Role(
            name="starter", administrative=False, permits=[types.Permit(id="4"), types.Permit(id="1300")]
        )
    )
    permits = system.roles_service().role_service(mine.id).permits_service().list()
    assert {permit.name for permit in permits} == {"vm_basic_operations", "login"}
    refused(system.roles_service().role_service(roles["SuperUser"].id).remove, "Read-Only")
    keys = users.user_service(made.id).ssh_public_keys_service()
    key = keys.add(types.SshPublicKey(content="ssh-ed25519 AAAA anna"))
    assert [one.content for one in keys.list()] == ["ssh-ed25519 AAAA anna"]
    keys.key_service(key.id).remove()
    users.user_service(made.id).remove()
    group = system.groups_service().add(types.Group(name="ops", domain=types.Domain(name="internal-authz")))
    system.groups_service().group_service(group.id).remove()


def test_bookmarks_and_sizes(engine):
    bookmarks = engine.system.bookmarks_service()
    made = bookmarks.add(types.Bookmark(name="up", value="Vms: status=up"))
    assert bookmarks.bookmark_service(made.id).update(types.Bookmark(value="Vms: status=down")).name == "up"
    bookmarks.bookmark_service(made.id).remove()
    sizes = {one.name: one.memory // 2**20 for one in engine.system.instance_types_service().list()}
    assert sizes == {"Tiny": 512, "Small": 2048, "Medium": 4096, "Large": 8192, "XLarge": 16384}
    types_service = engine.system.instance_types_service()
    own = types_service.add(types.InstanceType(name="Own", memory=3 * 1024**3))
    vm = engine.new_vm("of-my-size", instance_type=types.InstanceType(id=own.id)).get()
    assert vm.memory == 3 * 1024**3
    types_service.instance_type_service(own.id).remove()
    levels = [level.id for level in engine.system.cluster_levels_service().list()]
    assert (levels[0], levels[-1]) == ("4.2", "4.7")


def test_a_host_out_of_service_runs_nothing(engine):
    [host] = engine.system.hosts_service().list()
    service = engine.system.hosts_service().host_service(host.id)
    vm = engine.new_vm(
        "homeless", os=types.OperatingSystem(boot=types.Boot(devices=[types.BootDevice.NETWORK]))
    )
    engine.start(vm)
    refused(service.deactivate, "cannot be switched to maintenance mode")
    refused(vm.migrate, "currently hosts the VM")
    vm.stop()
    engine.wait(lambda: vm.get().status == types.VmStatus.DOWN)
    service.deactivate()
    engine.wait(lambda: service.get().status == types.HostStatus.MAINTENANCE)
    refused(vm.start, "no host that satisfies current scheduling constraints.*There are no hosts to use")
    refused(vm.migrate, "because the VM is in Down status")
    new = types.Host(
        name="new", address="new.example", cluster=types.Cluster(name="Default"), root_password="x"
    )
    refused(lambda: engine.system.hosts_service().add(new), "Connecting to host via SSH has failed")
    service.activate()
    engine.wait(lambda: service.get().status == types.HostStatus.UP)
    refused(service.remove, "Please switch Host to Maintenance mode first")
    engine.start(vm)
    vm.stop()
    [nic] = service.nics_service().list()
    assert (nic.status, nic.name) == (types.NicStatus.UP, "eth0")
    statistics = {one.name: one.values[0].datum for one in service.statistics_service().list()}
    assert statistics["memory.total"] == host.memory


def test_a_storage_domain_from_birth_to_end(engine, center):
    domains = engine.system.storage_domains_service()
    [host] = engine.system.hosts_service().list()
    made = domains.add(
        types.StorageDomain(
            name="second",
            type=types.StorageDomainType.DATA,
            host=types.Host(name=host.name),
            storage=types.HostStorage(
                type=types.StorageType.NFS, address="nfs.example", path="/exports/second"
            ),
        )
    )
    assert (made.status, made.storage.path) == (types.StorageDomainStatus.UNATTACHED, "/exports/second")
    refused(lambda: engine.disks.add(engine.disk_body("nowhere", domain="second")), "not attached")
    attached = center.storage_domains_service().add(types.StorageDomain(id=made.id))
    service = center.storage_domains_service().storage_domain_service(attached.id)
    engine.wait(lambda: service.get().status == types.StorageDomainStatus.ACTIVE)
    disk = engine.new_disk("there", domain="second")
    assert [one.id for one in domains.storage_domain_service(made.id).disks_service().list()] == [disk.id]
    refused(domains.storage_domain_service(made.id).remove, "status is Active")
    service.deactivate()
    engine.wait(lambda: service.get().status == types.StorageDomainStatus.MAINTENANCE)
    refused(lambda: engine.disks.add(engine.disk_body("nowhere", domain="second")), "status is Maintenance")
    refused(service.remove, "holds disks")
    service.activate()
    engine.wait(lambda: service.get().status == types.StorageDomainStatus.ACTIVE)
    engine.disks.disk_service(disk.id).remove()
    engine.wait_gone(engine.disks.disk_service(disk.id))
    service.deactivate()
    engine.wait(lambda: service.get().status == types.StorageDomainStatus.MAINTENANCE)
    service.remove()
    domains.storage_domain_service(made.id).remove(host=host.name)
    engine.wait_gone(domains.storage_domain_service(made.id))


def test_clusters_and_data_centers_come_and_go(engine):
    centers, clusters = engine.system.data_centers_service(), engine.system.clusters_service()
    center = centers.add(types.DataCenter(name="north", local=False))
    assert center.status == types.DataCenterStatus.UNINITIALIZED
    cluster = clusters.add(
        types.Cluster(
            name="north-1",
            data_center=types.DataCenter(id=center.id),
            cpu=types.Cpu(type="Intel Cascadelake Server Family"),
        )
    )
    assert (cluster.cpu.type, cluster.data_center.id) == ("Intel Cascadelake Server Family", center.id)
    assert clusters.cluster_service(cluster.id).update(types.Cluster(comment="c")).comment == "c"
    refused(centers.data_center_service(center.id).remove, "Clusters")
    [default] = clusters.list(search="name=Default")
    refused(clusters.cluster_service(default.id).remove, "contains one or more Hosts")
    clusters.cluster_service(cluster.id).remove()
    centers.data_center_service(center.id).remove()


def test_small_things_of_a_vm(engine):
    vm = engine.new_vm("small-things")
    watchdog = types.Watchdog(model=types.WatchdogModel.I6300ESB, action=types.WatchdogAction.RESET)
    made = vm.watchdogs_service().add(watchdog)
    refused(lambda: vm.watchdogs_service().add(watchdog), "already has a watchdog")
    vm.watchdogs_service().watchdog_service(made.id).remove()
    names = {
        one.name: one.values[0].datum
        for one in vm.statistics_service().list()
        if one.values[0].datum is not None
    }
    assert names["memory.installed"] == vm.get().memory
    for number in (2, 1):
        mac = types.Mac(address=f"56:6f:aa:00:00:0{3 - number}")
        vm.nics_service().add(types.Nic(name=f"nic{number}", mac=mac))
    vm.reorder_mac_addresses()
    assert {nic.name: nic.mac.address[-2:] for nic in vm.nics_service().list()} == {
        "nic1": "01",
        "nic2": "02",
    }
    refused(vm.suspend, "because the VM is in Down status")
    refused(vm.cancel_migration, "non migrating VM")
    [icon] = [engine.connection.follow_link(vm.get().large_icon)]
    assert icon.media_type == "image/png"
    vm.remove()
