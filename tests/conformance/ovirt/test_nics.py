"""NICs: profiles, MAC addresses, what a running VM refuses."""

import ovirtsdk4
import pytest
from ovirtsdk4 import types


def add(engine, service, name="nic1", *, mac=None, profile="ovirtmgmt", **fields):
    body = types.Nic(
        name=name,
        vnic_profile=types.VnicProfile(id=engine.profile_id(profile)),
        mac=types.Mac(address=mac) if mac else None,
        **fields,
    )
    return service.nics_service().add(body)


def test_given_mac_is_kept_and_used_once(engine):
    first, second = engine.new_vm("mac-first"), engine.new_vm("mac-second")
    nic = add(engine, first, mac="FA:16:3E:00:00:01", interface=types.NicInterface.E1000)
    assert (nic.mac.address, nic.interface) == ("fa:16:3e:00:00:01", types.NicInterface.E1000)
    assert (nic.plugged, nic.linked) == (True, True)
    expected = r"MAC Address fa:16:3e:00:00:01 is already in use by VM or snapshot: mac-first"
    with pytest.raises(ovirtsdk4.Error, match=expected) as raised:
        add(engine, second, mac="fa:16:3e:00:00:01")
    assert raised.value.code == 409
    first.nics_service().nic_service(nic.id).remove()
    assert add(engine, second, mac="fa:16:3e:00:00:01").mac.address == "fa:16:3e:00:00:01"


def test_pool_gives_different_macs(engine):
    service = engine.new_vm("macs")
    macs = {add(engine, service, f"nic{number}").mac.address for number in range(3)}
    assert len(macs) == 3


@pytest.mark.parametrize(
    ("name", "mac"), [("", None), ("n" * 51, None), ("nic1", "01:00:00:00:00:01"), ("nic1", "xx")]
)
def test_bad_names_and_macs(engine, name, mac):
    service = engine.new_vm(f"bad-{abs(hash((name, mac)))}")
    with pytest.raises(ovirtsdk4.Error) as raised:
        add(engine, service, name, mac=mac)
    assert raised.value.code == 400


def test_names_are_unique_in_a_vm(engine):
    service = engine.new_vm("nic-names")
    add(engine, service)
    with pytest.raises(ovirtsdk4.Error, match="name is already in use") as raised:
        add(engine, service)
    assert raised.value.code == 409


def test_without_profile_it_has_no_network(engine):
    service = engine.new_vm("unwired", "worker")
    nic = service.nics_service().add(types.Nic(name="nic1"))
    assert nic.vnic_profile is None
    engine.start(service)
    [spec] = [spec for spec in engine.hypervisor.started if spec.name == "unwired"]
    assert spec.nics == ()


def test_update_moves_it_to_another_network(engine):
    engine.front.add_network("lan", "Default", "10.30.0.0/24")
    service = engine.new_vm("moved", "worker")
    nic = add(engine, service)
    lan = engine.profile_id("lan")
    nics = service.nics_service().nic_service(nic.id)
    changed = nics.update(types.Nic(vnic_profile=types.VnicProfile(id=lan), name="renamed"))
    assert (changed.name, changed.vnic_profile.id, changed.mac.address) == ("renamed", lan, nic.mac.address)
    engine.start(service)
    [spec] = [spec for spec in engine.hypervisor.started if spec.name == "moved"]
    assert (spec.nics[0].network, spec.nics[0].address) == ("10.30.0.0/24", "10.30.0.10")
    with pytest.raises(ovirtsdk4.Error, match="plugged to a running VM") as raised:
        nics.remove()
    assert raised.value.code == 409


def test_deactivate_and_activate(engine):
    service = engine.new_vm("plugs")
    nic = service.nics_service().nic_service(add(engine, service).id)
    nic.deactivate()
    assert nic.get().plugged is False
    nic.activate()
    assert nic.get().plugged is True


def test_profile_of_another_data_center_is_refused(engine):
    engine.front.add_data_center("Far")
    engine.front.add_network("farnet", "Far", "10.40.0.0/24")
    with pytest.raises(ovirtsdk4.Error, match="belongs to a different data-center") as raised:
        add(engine, engine.new_vm("near"), profile="farnet")
    assert raised.value.code == 409
