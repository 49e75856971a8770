import pytest

from coriolis.morphing.guest.actions import EnableUnit, SetAside, Warn, WriteFile
from coriolis.morphing.guest.detect import OsRelease
from coriolis.morphing.guest.facts import Facts
from coriolis.morphing.guest.job import Wanted
from coriolis.morphing.guest.network import named_nics, plan_network

_MAC, _SECOND_MAC = "56:6f:00:00:00:01", "56:6f:00:00:00:02"
_STATIC = """\
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

auto ens192
iface ens192 inet static
    address 10.0.0.5/24
    gateway 10.0.0.1
"""
_NETPLAN = """\
network:
  version: 2
  ethernets:
    ens160:
      addresses: [10.0.0.5/24]
      routes:
        - to: default
          via: 10.0.0.1
    "ens192": {dhcp4: true}
  bridges:
    br0:
      interfaces: [ens160]
"""


def facts(files: dict[str, str], *packages: str) -> Facts:
    return Facts(OsRelease("debian", "12", "Debian 12"), files=files, packages=frozenset(packages))


def written(actions: list) -> dict[str, str]:
    return {action.path: action.text for action in actions if isinstance(action, WriteFile)}


def after(before: Facts, actions: list) -> Facts:
    """The facts that a second look would find."""
    files = dict(before.files)
    units = set(before.enabled_units)
    for action in actions:
        match action:
            case WriteFile():
                files[action.path] = action.text
            case SetAside():
                del files[action.path]
            case EnableUnit():
                units.add(action.unit)
    return before._replace(files=files, enabled_units=frozenset(units))


def test_ifupdown_goes_to_dhcp_and_keeps_the_name() -> None:
    files = {
        "/etc/network/interfaces": _STATIC,
        "/etc/network/interfaces.d/50-cloud-init": "auto ens192\niface ens192 inet static\n",
        "/etc/network/interfaces.d/local": "# nothing here\n",
        "/etc/resolv.conf": "nameserver 10.0.0.2\n",
    }
    found = facts(files, "ifupdown", "isc-dhcp-client")
    actions = plan_network(found, Wanted(mac_addresses=(_MAC, _SECOND_MAC)))
    texts = written(actions)
    assert "iface ens192 inet dhcp" in texts["/etc/network/interfaces"]
    assert "iface net0 inet dhcp" in texts["/etc/network/interfaces"]
    assert "static" not in texts["/etc/network/interfaces"]
    link = texts["/etc/systemd/network/10-coriolis-ens192.link"]
    assert f"MACAddress={_MAC}\n" in link
    assert "Name=ens192\n" in link
    assert "nameserver" not in texts["/etc/resolv.conf"]
    aside = SetAside("/etc/network/interfaces.d/50-cloud-init", "/etc/network/50-cloud-init.pre-coriolis")
    assert [action for action in actions if isinstance(action, SetAside)] == [aside]
    assert plan_network(after(found, actions), Wanted(mac_addresses=(_MAC, _SECOND_MAC))) == []


def test_without_addresses_any_nic_is_configured() -> None:
    found = facts({"/etc/network/interfaces": _STATIC}, "ifupdown", "isc-dhcp-client")
    text = written(plan_network(found, Wanted()))["/etc/network/interfaces"]
    assert "auto /e*=coriolis-dhcp\niface coriolis-dhcp inet dhcp\n" in text


def test_without_a_dhcp_client_networkd_takes_over() -> None:
    found = facts(
        {"/etc/network/interfaces": _STATIC, "/etc/resolv.conf": "nameserver 9.9.9.9\n"}, "ifupdown"
    )
    actions = plan_network(found, Wanted(mac_addresses=(_MAC,)))
    texts = written(actions)
    assert "DHCP=yes" in texts["/etc/systemd/network/10-coriolis-ens192.network"]
    assert "ens192" not in texts["/etc/network/interfaces"]
    assert "/etc/resolv.conf" not in texts, "nobody would write new name servers into it"
    assert EnableUnit("systemd-networkd.service") in actions
    assert any(isinstance(action, Warn) for action in actions)
    assert plan_network(after(found, actions), Wanted(mac_addresses=(_MAC,))) == []


def test_netplan() -> None:
    found = facts(
        {"/etc/netplan/50-cloud-init.yaml": _NETPLAN, "/etc/resolv.conf": "nameserver 1.1.1.1\n"},
        "netplan.io",
    )
    wanted = Wanted(mac_addresses=(_MAC,))
    actions = plan_network(found, wanted)
    assert (
        f'    ens160:\n      match: {{macaddress: "{_MAC}"}}\n      dhcp4: true'
        in written(actions)["/etc/netplan/60-coriolis.yaml"]
    )
    assert (
        SetAside("/etc/netplan/50-cloud-init.yaml", "/etc/netplan/50-cloud-init.yaml.pre-coriolis") in actions
    )
    assert plan_network(after(found, actions), wanted) == []


def test_network_manager() -> None:
    path = "/etc/NetworkManager/system-connections/ens192.nmconnection"
    old = "[connection]\nid=ens192\ntype=ethernet\ninterface-name=ens192\n[ipv4]\nmethod=manual\n"
    found = facts({path: old}, "network-manager")
    wanted = Wanted(mac_addresses=(_MAC,))
    actions = plan_network(found, wanted)
    text = written(actions)["/etc/NetworkManager/system-connections/coriolis-ens192.nmconnection"]
    assert f"mac-address={_MAC.upper()}" in text
    assert SetAside(path, "/etc/NetworkManager/ens192.nmconnection.pre-coriolis") in actions
    assert plan_network(after(found, actions), wanted) == []


def test_networkd() -> None:
    found = facts(
        {"/etc/systemd/network/20-wired.network": "[Match]\nName=ens3\n[Network]\nAddress=10.0.0.5/24\n"}
    )
    wanted = Wanted(mac_addresses=(_MAC,))
    actions = plan_network(found, wanted)
    assert set(written(actions)) == {
        "/etc/systemd/network/10-coriolis-ens3.link",
        "/etc/systemd/network/10-coriolis-ens3.network",
    }
    assert plan_network(after(found, actions), wanted) == []


def test_bonds_are_not_dropped_silently() -> None:
    text = _STATIC + "auto bond0\niface bond0 inet static\n bond-slaves ens192 ens224\n"
    found = facts({"/etc/network/interfaces": text}, "ifupdown", "isc-dhcp-client")
    assert Warn("bond0 of the old network are configured no more.") in plan_network(found, Wanted())


def test_kept_static_network_still_gets_its_names() -> None:
    found = facts({"/etc/network/interfaces": _STATIC}, "ifupdown")
    actions = plan_network(found, Wanted(dhcp=False, mac_addresses=(_MAC,)))
    assert [action.path for action in actions if isinstance(action, WriteFile)] == [
        "/etc/systemd/network/10-coriolis-ens192.link"
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("iface eth0 inet static\niface eth0 inet6 auto\niface eth1 inet dhcp\n", ["eth0", "eth1"]),
        (
            "iface eth0:1 inet static\niface eth0.5 inet dhcp\niface br0 inet dhcp\niface wlan0 inet auto\n",
            [],
        ),
    ],
)
def test_names_of_real_nics(text: str, names: list[str]) -> None:
    nics = named_nics(facts({"/etc/network/interfaces": text}), (_MAC, _SECOND_MAC))
    assert [name for name, _ in nics] == names or [name for name, _ in nics] == ["net0", "net1"]
    assert [address for _, address in nics] == [_MAC, _SECOND_MAC]
