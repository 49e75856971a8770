"""Neutron: addresses, security groups, floating IPs, quotas and its 409s."""

import pytest
from openstack import exceptions
from openstack.connection import Connection

from coriolis_lab.faults import Fault
from tests.conformance.openstack.conftest import Lab, until


def refusal(error: exceptions.HttpException) -> str:
    return str(error.response.json()["NeutronError"]["type"])


def test_inventory(cloud: Connection, lab: Lab) -> None:
    private = cloud.network.find_network("private")
    assert private.id == lab.private
    assert not private.is_router_external
    assert cloud.network.find_network("public").is_router_external
    (subnet,) = cloud.network.subnets(network_id=private.id)
    assert (subnet.cidr, subnet.gateway_ip, subnet.is_dhcp_enabled) == ("10.20.0.0/24", "10.20.0.1", True)
    assert cloud.network.find_extension("security-group")


def test_ports_keep_their_mac_and_address(cloud: Connection, lab: Lab) -> None:
    fixed, mac = [{"ip_address": "10.20.0.77"}], "fa:16:3e:00:00:77"
    port = cloud.network.create_port(network_id=lab.private, fixed_ips=fixed, mac_address=mac, name="p77")
    assert port.mac_address == mac
    assert port.fixed_ips[0]["ip_address"] == "10.20.0.77"
    with pytest.raises(exceptions.ConflictException) as same_address:
        cloud.network.create_port(network_id=lab.private, fixed_ips=fixed)
    assert refusal(same_address.value) == "IpAddressAlreadyAllocated"
    with pytest.raises(exceptions.ConflictException) as same_mac:
        cloud.network.create_port(network_id=lab.private, mac_address=mac)
    assert refusal(same_mac.value) == "MacAddressInUse"
    with pytest.raises(exceptions.BadRequestException) as foreign:
        cloud.network.create_port(network_id=lab.private, fixed_ips=[{"ip_address": "192.0.2.1"}])
    assert refusal(foreign.value) == "InvalidIpForNetwork"
    assert [p.id for p in cloud.network.ports(fixed_ips="ip_address=10.20.0.77")] == [port.id]
    cloud.network.delete_port(port.id, ignore_missing=False)
    assert cloud.network.find_port("p77") is None


def test_security_groups(cloud: Connection, lab: Lab) -> None:
    group = cloud.network.create_security_group(name="worker", description="d")
    assert {rule["direction"] for rule in group.security_group_rules} == {"egress"}
    rule = {"security_group_id": group.id, "direction": "ingress", "protocol": "tcp"}
    ssh = {**rule, "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0"}
    made = cloud.network.create_security_group_rule(**ssh)
    with pytest.raises(exceptions.ConflictException) as again:
        cloud.network.create_security_group_rule(**ssh)
    assert refusal(again.value) == "SecurityGroupRuleExists"
    with pytest.raises(exceptions.BadRequestException):
        cloud.network.create_security_group_rule(**{**rule, "port_range_min": 9, "port_range_max": 1})
    port = cloud.network.create_port(network_id=lab.private, security_groups=[group.id])
    with pytest.raises(exceptions.ConflictException) as used:
        cloud.network.delete_security_group(group.id, ignore_missing=False)
    assert refusal(used.value) == "SecurityGroupInUse"
    cloud.network.delete_port(port.id)
    cloud.network.delete_security_group_rule(made.id, ignore_missing=False)
    cloud.network.delete_security_group(group.id, ignore_missing=False)


def test_default_group_stays(cloud: Connection) -> None:
    group = cloud.network.find_security_group("default")
    with pytest.raises(exceptions.ConflictException) as refused:
        cloud.network.delete_security_group(group.id, ignore_missing=False)
    assert refusal(refused.value) == "SecurityGroupCannotRemoveDefault"


def test_floating_ip_is_a_loopback_address_and_given_back(cloud: Connection, lab: Lab) -> None:
    port = cloud.network.create_port(network_id=lab.private)
    fip = cloud.network.create_ip(floating_network_id=lab.external, description="worker")
    assert fip.floating_ip_address.startswith("127.")
    assert fip.status == "DOWN"
    fip = cloud.network.update_ip(fip, port_id=port.id)
    assert (fip.status, fip.fixed_ip_address) == ("ACTIVE", port.fixed_ips[0]["ip_address"])
    with pytest.raises(exceptions.ConflictException) as second:
        cloud.network.create_ip(floating_network_id=lab.external, port_id=port.id)
    assert refusal(second.value) == "FloatingIPPortAlreadyAssociated"
    assert lab.hypervisor.held == {fip.floating_ip_address}
    cloud.network.delete_port(port.id)
    assert cloud.network.get_ip(fip.id).port_id is None
    cloud.network.delete_ip(fip.id, ignore_missing=False)
    until(lambda: lab.hypervisor.held, lambda held: not held)
    assert cloud.network.find_ip(fip.id) is None


def test_floating_ip_needs_an_external_network(cloud: Connection, lab: Lab) -> None:
    with pytest.raises(exceptions.BadRequestException) as refused:
        cloud.network.create_ip(floating_network_id=lab.private)
    assert "is not a valid external network" in str(refused.value)


def test_own_networks_and_their_conflicts(cloud: Connection) -> None:
    network = cloud.network.create_network(name="mine")
    subnet = cloud.network.create_subnet(network_id=network.id, cidr="10.30.0.0/24", ip_version=4, name="s")
    with pytest.raises(exceptions.BadRequestException) as overlap:
        cloud.network.create_subnet(network_id=network.id, cidr="10.30.0.128/25", ip_version=4)
    assert "overlaps" in str(overlap.value)
    port = cloud.network.create_port(network_id=network.id)
    for delete, item in ((cloud.network.delete_network, network), (cloud.network.delete_subnet, subnet)):
        with pytest.raises(exceptions.ConflictException):
            delete(item, ignore_missing=False)
    cloud.network.delete_port(port)
    cloud.network.delete_network(network, ignore_missing=False)
    assert cloud.network.find_subnet("s") is None


def test_quota(cloud: Connection, lab: Lab) -> None:
    lab.front.set_quota(lab.project, floatingip=0)
    try:
        with pytest.raises(exceptions.ConflictException) as over:
            cloud.network.create_ip(floating_network_id=lab.external)
        assert refusal(over.value) == "OverQuota"
        assert cloud.network.get_quota(lab.project).floating_ips == 0
    finally:
        lab.front.set_quota(lab.project, floatingip=50)
    assert cloud.network.get_quota(lab.project, details=True).ports["limit"] == 500


def test_fault_leaves_no_floating_ip(cloud: Connection, lab: Lab) -> None:
    before = set(lab.hypervisor.held)
    lab.faults.plant(Fault("floating_ip.create", "refuse"))
    with pytest.raises(exceptions.ConflictException):
        cloud.network.create_ip(floating_network_id=lab.external)
    assert lab.hypervisor.held == before
