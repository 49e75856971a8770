"""From the old cloud's static addresses to DHCP on the new NICs, and NIC names that stay.

Pure: texts in, actions out. Which of the four ways of Debian to configure a network is in use decides what is
written; every file that configured a NIC before is kept beside as *.pre-coriolis.
"""

import itertools
import re
from typing import TYPE_CHECKING

from coriolis.morphing.guest.actions import EnableUnit, SetAside, Warn, WriteFile

if TYPE_CHECKING:
    from coriolis.morphing.guest.actions import Action
    from coriolis.morphing.guest.facts import Facts
    from coriolis.morphing.guest.job import Wanted

_INTERFACES = "/etc/network/interfaces"
_NETPLAN_FILE = "/etc/netplan/60-coriolis.yaml"
_RESOLV_CONF = "/etc/resolv.conf"
_HEADER = "# Written by Coriolis when this machine was moved; what was here before is in *.pre-coriolis\n"
_DHCP_CLIENTS = frozenset(("isc-dhcp-client", "udhcpc", "dhcpcd", "dhcpcd5", "dhcpcd-base", "pump"))
_VIRTUAL = re.compile(r"^(lo$|bond|br|vlan|tun|tap|dummy|wg|wl|docker|veth)|[.:*/?]")
TEXTS = (
    _INTERFACES,
    "/etc/network/interfaces.d/*",
    "/etc/netplan/*.yaml",
    "/etc/systemd/network/*.network",
    "/etc/systemd/network/*.link",
    "/etc/NetworkManager/system-connections/*",
    _RESOLV_CONF,
)
UNITS = ("systemd-networkd.service",)


def plan_network(facts: "Facts", wanted: "Wanted") -> "list[Action]":
    """Names for the NICs always; DHCP in place of the old addresses if it is wanted."""
    nics = named_nics(facts, wanted.mac_addresses)
    actions: list[Action] = [_link_file(name, address) for name, address in nics]
    if wanted.dhcp:
        actions += _plan_dhcp(facts, nics)
    return [action for action in actions if not _is_done(action, facts)]


def named_nics(facts: "Facts", addresses: "tuple[str, ...]") -> "list[tuple[str, str]]":
    """(interface name, MAC address): the names the guest's configuration used, in its order, so that firewall
    rules and scripts still fit; invented ones beyond them."""
    ours = _names_by_address(facts)
    if set(addresses) <= set(ours):
        return [(ours[address], address) for address in addresses]
    old = old_names(facts)
    invented = (name for name in map("net{}".format, itertools.count()) if name not in old)
    return [(old[index] if index < len(old) else next(invented), mac) for index, mac in enumerate(addresses)]


def _names_by_address(facts: "Facts") -> "dict[str, str]":
    """What an earlier run decided."""
    names = {}
    for path, text in facts.files.items():
        found = re.search(r"/10-coriolis-([^/]+)\.link$", path)
        address = re.search(r"^MACAddress=(\S+)$", text, re.MULTILINE)
        if found and address:
            names[address.group(1)] = found.group(1)
    return names


def old_names(facts: "Facts") -> "list[str]":
    """Names of real NICs in the guest's configuration files."""
    names: list[str] = []
    for path in sorted(facts.files, key=lambda path: (path != _INTERFACES, path)):
        text = facts.files[path]
        if path.startswith("/etc/network/"):
            names += re.findall(r"^\s*iface\s+(\S+)\s+inet", text, re.MULTILINE)
        elif path.startswith("/etc/netplan/"):
            names += _netplan_names(text)
        elif path.endswith(".network"):
            names += re.findall(r"^\s*Name\s*=\s*(\S+)\s*$", text, re.MULTILINE)
        elif path.startswith("/etc/NetworkManager/"):
            names += re.findall(r"^\s*interface-name\s*=\s*(\S+)\s*$", text, re.MULTILINE)
    return [name for name in dict.fromkeys(names) if not _VIRTUAL.search(name) and name != "coriolis-dhcp"]


def _netplan_names(text: str) -> "list[str]":
    """The keys below `ethernets:`. By indentation, as Python has no YAML reader of its own."""
    names, depth, inner = [], -1, -1
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        if depth >= 0 and indent <= depth:
            depth = inner = -1
        if line.strip() == "ethernets:":
            depth = indent
        elif depth >= 0 and inner in (-1, indent):
            inner = indent
            names.append(line.strip().partition(":")[0].strip("\"'"))
    return names


def _link_file(name: str, address: str) -> WriteFile:
    text = f"{_HEADER}[Match]\nMACAddress={address}\n\n[Link]\nName={name}\n"
    return WriteFile(f"/etc/systemd/network/10-coriolis-{name}.link", text)


def _plan_dhcp(facts: "Facts", nics: "list[tuple[str, str]]") -> "list[Action]":
    way = way_in_use(facts)
    if way == "ifupdown" and not facts.packages & _DHCP_CLIENTS:
        actions = _networkd(nics)
        actions += _write_interfaces(facts, "")
        actions.append(
            Warn("The guest has no DHCP client for ifupdown: systemd-networkd configures its network.")
        )
    elif way == "ifupdown":
        actions = _write_interfaces(facts, _interfaces_stanzas(nics))
    else:
        actions = {"netplan": _netplan, "NetworkManager": _network_manager, "networkd": _networkd}[way](nics)
        actions += _write_interfaces(facts, "") if _configures_nic(facts.files.get(_INTERFACES, "")) else []
    written = {action.path for action in actions if isinstance(action, WriteFile)}
    actions += [SetAside(path, _beside(path)) for path in _old_configuration(facts) if path not in written]
    virtual = sorted(
        set(re.findall(r"^\s*iface\s+((?:bond|br|vlan)\S*)", "\n".join(facts.files.values()), re.MULTILINE))
    )
    if virtual:
        actions.append(Warn("{} of the old network are configured no more.".format(", ".join(virtual))))
    return actions + _plan_resolver(facts, way)


def way_in_use(facts: "Facts") -> str:
    """The one that configures a NIC now, else the one that is installed."""
    paths = list(facts.files)
    if "netplan.io" in facts.packages and any(path.startswith("/etc/netplan/") for path in paths):
        return "netplan"
    interfaces = [text for path, text in facts.files.items() if path.startswith("/etc/network/")]
    if "ifupdown" in facts.packages and any(_configures_nic(text) for text in interfaces):
        return "ifupdown"
    if "network-manager" in facts.packages and any(path.startswith("/etc/NetworkManager/") for path in paths):
        return "NetworkManager"
    if any(path.endswith(".network") for path in paths):
        return "networkd"
    for package, way in (
        ("ifupdown", "ifupdown"),
        ("netplan.io", "netplan"),
        ("network-manager", "NetworkManager"),
    ):
        if package in facts.packages:
            return way
    return "networkd"


def _configures_nic(interfaces: str) -> bool:
    return bool(re.search(r"^\s*iface\s+(?!lo\s)\S+\s+inet", interfaces, re.MULTILINE))


def _old_configuration(facts: "Facts") -> "list[str]":
    """Files that would still configure a NIC of the old cloud."""
    found = []
    for path, text in facts.files.items():
        ours = "coriolis-" in path.rpartition("/")[2] or path == _NETPLAN_FILE
        if ours or path in (_INTERFACES, _RESOLV_CONF):
            continue
        if path.startswith("/etc/network/interfaces.d/") and not _configures_nic(text):
            continue
        if path.startswith(
            ("/etc/network/interfaces.d/", "/etc/netplan/", "/etc/NetworkManager/system-connections/")
        ) or (path.startswith("/etc/systemd/network/") and path.endswith((".network", ".link"))):
            found.append(path)
    return sorted(found)


def _beside(path: str) -> str:
    """interfaces.d and NetworkManager read every file of a directory: what is kept goes one level up."""
    directory, _, name = path.rpartition("/")
    if directory.endswith((".d", "/system-connections")):
        directory = directory.rpartition("/")[0]
    return f"{directory}/{name}.pre-coriolis"


def _interfaces_stanzas(nics: "list[tuple[str, str]]") -> str:
    if not nics:  # interfaces(5), PATTERN MATCHING INTERFACES: whatever Ethernet interface the kernel has
        return "auto /e*=coriolis-dhcp\niface coriolis-dhcp inet dhcp\n"
    return "\n".join(f"auto {name}\niface {name} inet dhcp\n" for name, _ in nics)


def _write_interfaces(facts: "Facts", stanzas: str) -> "list[Action]":
    text = _HEADER + "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n"
    original = _INTERFACES + ".pre-coriolis" if _INTERFACES in facts.files else ""
    return [WriteFile(_INTERFACES, text + ("\n" + stanzas if stanzas else ""), original=original)]


def _netplan(nics: "list[tuple[str, str]]") -> "list[Action]":
    lines = [_HEADER.rstrip(), "network:", "  version: 2", "  ethernets:"]
    for name, address in nics:
        lines += [
            f"    {name}:",
            f'      match: {{macaddress: "{address}"}}',
            "      dhcp4: true",
        ]
    if not nics:
        lines += ["    coriolis-dhcp:", '      match: {name: "e*"}', "      dhcp4: true"]
    return [WriteFile(_NETPLAN_FILE, "\n".join(lines) + "\n", 0o600)]


def _networkd(nics: "list[tuple[str, str]]") -> "list[Action]":
    actions: list[Action] = []
    for name, match in [(name, "MACAddress=" + mac) for name, mac in nics] or [("dhcp", "Name=e*")]:
        text = f"{_HEADER}[Match]\n{match}\n\n[Network]\nDHCP=yes\n"
        actions.append(WriteFile(f"/etc/systemd/network/10-coriolis-{name}.network", text))
    return [*actions, EnableUnit("systemd-networkd.service")]


def _network_manager(nics: "list[tuple[str, str]]") -> "list[Action]":
    actions: list[Action] = []
    for name, address in nics or [("dhcp", "")]:
        match = f"\n[ethernet]\nmac-address={address.upper()}\n" if address else ""
        several = "" if address else "multi-connect=3\n"
        connection = f"[connection]\nid=coriolis-{name}\ntype=ethernet\nautoconnect=true\n{several}"
        text = f"{_HEADER}{connection}{match}\n[ipv4]\nmethod=auto\n"
        path = f"/etc/NetworkManager/system-connections/coriolis-{name}.nmconnection"
        actions.append(WriteFile(path, text, 0o600))
    return actions


def _plan_resolver(facts: "Facts", way: str) -> "list[Action]":
    """A plain resolv.conf names servers of the old cloud; the DHCP client writes the new ones into it."""
    text = facts.files.get(_RESOLV_CONF, "")
    if way != "ifupdown" or not facts.packages & _DHCP_CLIENTS or "nameserver" not in text:
        return []
    return [
        WriteFile(
            _RESOLV_CONF,
            "# The DHCP client writes the name servers here.\n",
            0o644,
            _RESOLV_CONF + ".pre-coriolis",
        )
    ]


def _is_done(action: "Action", facts: "Facts") -> bool:
    if isinstance(action, WriteFile):
        return facts.files.get(action.path) == action.text
    return isinstance(action, EnableUnit) and action.unit in facts.enabled_units
