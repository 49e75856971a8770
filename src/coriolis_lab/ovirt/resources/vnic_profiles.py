"""vNIC profiles, through which NICs use networks; and the network filters that profiles name."""

from dataclasses import dataclass

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import DEFAULT_FILTER_ID, VnicProfile
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, post, put, removed

PASS_THROUGH = ("disabled", "enabled")


@dataclass(frozen=True)
class NetworkFilter:
    """libvirt's own, and vdsm's. `since`: the engine's version that brought it."""

    id: str
    name: str
    since: tuple[int, int] = (4, 0)


_NAMES = (
    "allow-dhcp",
    "allow-dhcp-server",
    "allow-arp",
    "allow-incoming-ipv4",
    "allow-ipv4",
    "clean-traffic",
    "no-arp-ip-spoofing",
    "no-arp-mac-spoofing",
    "no-arp-spoofing",
    "no-ip-multicast",
    "no-ip-spoofing",
    "no-mac-broadcast",
    "no-mac-spoofing",
    "no-other-l2-traffic",
    "no-other-rarp-traffic",
    "qemu-announce-self",
    "qemu-announce-self-rarp",
)
FILTERS = (
    NetworkFilter(DEFAULT_FILTER_ID, "vdsm-no-mac-spoofing"),
    *(
        NetworkFilter(f"5a55d534-0151-0329-0198-{number:012x}", name)
        for number, name in enumerate(_NAMES, 0x39E)
    ),
    NetworkFilter("5a55d534-0151-0329-0198-0000000003af", "clean-traffic-gateway", (4, 2)),
)


def _render_filter(_call: Call, one: NetworkFilter) -> Element:
    major, minor = one.since
    version = struct(
        "version", leaf("build", -1), leaf("major", major), leaf("minor", minor), leaf("revision", -1)
    )
    return entity("network_filter", f"networkfilters/{one.id}", one.id, version, name=one.name)


def render(profile: VnicProfile) -> Element:
    chosen = profile.network_filter_id
    properties = [
        struct("custom_property", leaf("name", name), leaf("value", value))
        for name, value in profile.custom_properties
    ]
    return entity(
        "vnic_profile",
        f"vnicprofiles/{profile.id}",
        profile.id,
        struct("custom_properties", *properties) if properties else None,
        leaf("migratable", profile.migratable if profile.pass_through else None),
        struct("pass_through", leaf("mode", PASS_THROUGH[profile.pass_through])),
        leaf("port_mirroring", profile.port_mirroring),
        reference("network", "networks", profile.network_id),
        reference("network_filter", "networkfilters", chosen) if chosen else None,
        name=profile.name,
        description=profile.description or None,
        comment=profile.comment or None,
        links=("permissions",),
    )


def _profiles(call: Call) -> list[VnicProfile]:
    """Have no search, on a real engine neither: a client picks by name and network."""
    network = call.ids.get("network")
    return [one for one in call.engine.vnic_profiles.values() if network in (None, one.network_id)]


def _profile(call: Call) -> VnicProfile:
    profile = next((one for one in _profiles(call) if one.id == call.ids["profile"]), None)
    if profile is None:
        raise gone()
    return profile


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        engine.require(call.ids)
        network_id = call.ids.get("network")
        node = body.find("network")
        if not body.string("name") or (network_id is None and (node is None or not node.id)):
            raise incomplete("VnicProfile", "name" if not body.string("name") else "network.id", "add")
        if network_id is None and node is not None:
            network_id = engine.named_network(node, None).id
        profile = VnicProfile(new_id(), "", network_id or "")
        _read(engine, profile, body, "add")
        if "vm" not in engine.networks[profile.network_id].usages:
            raise conflict(
                "Cannot add VM network interface profile. VM network interface profiles cannot be added to a "
                "non-VM network. Please make sure the network is a VM network."
            )
        engine.vnic_profiles[profile.id] = profile
        return Reply(201, render(profile))


def _read(engine: Engine, profile: VnicProfile, body: Node, verb: str) -> None:
    name = body.string("name") or profile.name
    if any(
        other.name == name and other.network_id == profile.network_id and other is not profile
        for other in engine.vnic_profiles.values()
    ):
        raise conflict(
            f"Cannot {verb} VM network interface profile. The VM network interface profile's name is already used "
            "by an existing profile for the same network.\n-Please choose a different name."
        )
    chosen = body.find("network_filter")
    if chosen is not None and chosen.id and not any(one.id == chosen.id for one in FILTERS):
        raise conflict(
            f"Cannot {verb} VM network interface profile. vNIC profile '{name}' has an invalid network filter id "
            f"'{chosen.id}'."
        )
    mode = body.choice("pass_through/mode", PASS_THROUGH)
    mirroring, migratable = body.boolean("port_mirroring"), body.boolean("migratable")
    profile.name = name
    profile.description = body.string_or("description", profile.description)
    profile.comment = body.string_or("comment", profile.comment)
    profile.pass_through = profile.pass_through if mode is None else mode == "enabled"
    profile.port_mirroring = profile.port_mirroring if mirroring is None else mirroring
    profile.migratable = profile.migratable if migratable is None else migratable
    if chosen is not None:
        profile.network_filter_id = chosen.id
    elif profile.pass_through:
        profile.network_filter_id = None
    if body.find("custom_properties") is not None:
        profile.custom_properties = tuple(
            (item.string("name") or "", item.string("value") or "")
            for item in body.all("custom_properties/custom_property")
        )


def update(call: Call) -> Reply:
    with call.engine.lock:
        profile, body = _profile(call), call.document
        node = body.find("network")
        if node is not None and node.id not in (None, profile.network_id):
            raise conflict(
                "Cannot edit VM network interface profile. VM network interface profile's network cannot be changed."
            )
        _read(call.engine, profile, body, "edit")
        return found(render(profile))


def remove(call: Call) -> Reply:
    engine = call.engine
    with engine.lock:
        profile = _profile(call)
        users = [
            vm.name
            for vm in engine.vms.values()
            if any(nic.vnic_profile_id == profile.id for nic in vm.nics.values())
        ]
        if users:
            raise conflict(
                "Cannot remove VM network interface profile. This VM network interface profile is used by virtual "
                f"machines ({len(users)}): {', '.join(users)}\n - Please detach virtual machines using this profile "
                "and try again."
            )
        engine.vnic_profiles.pop(profile.id)
        return removed(call, call.done(f"Removing VM network interface profile {profile.name}"))


def _render(_call: Call, profile: VnicProfile) -> Element:
    return render(profile)


def _routes(collection: str) -> list[ApiRoute]:
    one = f"{collection}/{{profile}}"
    return [
        *catalog(collection, "vnic_profiles", _profiles, _render, "profile"),
        post(collection, add),
        put(one, update),
        delete(one, remove),
    ]


ROUTES: list[ApiRoute] = [
    *_routes("vnicprofiles"),
    *_routes("networks/{network}/vnicprofiles"),
    *catalog("networkfilters", "network_filters", lambda _call: FILTERS, _render_filter),
    *catalog("clusters/{cluster}/networkfilters", "network_filters", lambda _call: FILTERS, _render_filter),
]
