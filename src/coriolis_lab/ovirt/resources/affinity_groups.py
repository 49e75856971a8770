"""Affinity groups of a cluster, with their VMs, hosts and labels."""

from collections.abc import Mapping
from dataclasses import dataclass

from coriolis_lab.ovirt.administration import AffinityGroup, AffinityLabel, AffinityRule
from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference, struct
from coriolis_lab.ovirt.records import Host, Vm
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, invalid
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, get, post, put, removed

MAX_NAME = 255


@dataclass(frozen=True)
class Members:
    """One of the four kinds: the word in paths, the tag of the list and of its items, and where these live."""

    rel: str
    tag: str
    item: str
    home: str

    def of(self, group: AffinityGroup) -> set[str]:
        sets = {
            "vms": group.vms,
            "hosts": group.hosts,
            "vmlabels": group.vm_labels,
            "hostlabels": group.host_labels,
        }
        return sets[self.rel]

    def known(self, engine: Engine) -> Mapping[str, Vm | Host | AffinityLabel]:
        everything: dict[str, Mapping[str, Vm | Host | AffinityLabel]] = {
            "vms": engine.vms,
            "hosts": engine.hosts,
            "affinitylabels": engine.affinity_labels,
        }
        return everything[self.home]


KINDS = (
    Members("hosts", "hosts", "host", "hosts"),
    Members("vms", "vms", "vm", "vms"),
    Members("hostlabels", "host_labels", "affinity_label", "affinitylabels"),
    Members("vmlabels", "vm_labels", "affinity_label", "affinitylabels"),
)


def render(group: AffinityGroup) -> Element:
    """`positive` and `enforcing` repeat the rule of the VMs, as older clients know it."""
    rule = group.vms_rule
    members = [
        struct(kind.tag, *(reference(kind.item, kind.home, one) for one in sorted(kind.of(group))))
        for kind in KINDS
    ]
    return entity(
        "affinity_group",
        f"clusters/{group.cluster_id}/affinitygroups/{group.id}",
        group.id,
        leaf("enforcing", rule.enforcing),
        _render_rule("hosts_rule", group.hosts_rule),
        leaf("positive", rule.positive if rule.enabled else None),
        leaf("priority", group.priority),
        _render_rule("vms_rule", rule),
        reference("cluster", "clusters", group.cluster_id),
        *members,
        name=group.name,
        description=group.description,
        links=tuple(kind.rel for kind in KINDS),
    )


def _render_rule(tag: str, rule: AffinityRule) -> Element:
    return struct(
        tag, leaf("enabled", rule.enabled), leaf("enforcing", rule.enforcing), leaf("positive", rule.positive)
    )


def _groups(call: Call) -> list[AffinityGroup]:
    call.engine.require({"cluster": call.ids["cluster"]})
    return [one for one in call.engine.affinity_groups.values() if one.cluster_id == call.ids["cluster"]]


def _group(call: Call) -> AffinityGroup:
    group = next((one for one in _groups(call) if one.id == call.ids["group"]), None)
    if group is None:
        raise gone()
    return group


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "affinity_groups", _groups(call), render)


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(_group(call)))


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        _groups(call)
        if not body.string("name"):
            raise incomplete("AffinityGroup", "name", "add")
        group = AffinityGroup(new_id(), "", call.ids["cluster"])
        _read(engine, group, body, "add")
        engine.affinity_groups[group.id] = group
        return Reply(201, render(group))


def update(call: Call) -> Reply:
    with call.engine.lock:
        group = _group(call)
        _read(call.engine, group, call.document, "edit")
        return found(render(group))


def _read(engine: Engine, group: AffinityGroup, body: Node, verb: str) -> None:
    name = body.string("name") or group.name
    if len(name) > MAX_NAME:
        raise invalid(f"Cannot {verb} Affinity Group. Name field input is too long.")
    if any(one.name == name and one is not group for one in engine.affinity_groups.values()):
        raise conflict(f"Cannot {verb} Affinity Group. Affinity Group name already exists.")
    wanted = {kind: _read_members(engine, group, body, kind, verb) for kind in KINDS}
    group.name = name
    group.description = body.string_or("description", group.description)
    group.priority = float(body.string("priority") or group.priority)
    _read_rule(group.hosts_rule, body.find("hosts_rule"))
    vms_rule = body.find("vms_rule")
    if vms_rule is not None:
        _read_rule(group.vms_rule, vms_rule)
    else:
        _read_rule(group.vms_rule, body)
    for kind, members in wanted.items():
        if members is not None:
            kind.of(group).clear()
            kind.of(group).update(members)


def _read_rule(rule: AffinityRule, node: Node | None) -> None:
    """A rule that says `positive` is enabled, unless it says that it is not."""
    if node is None:
        return
    enabled, positive, enforcing = (
        node.boolean("enabled"),
        node.boolean("positive"),
        node.boolean("enforcing"),
    )
    if enabled is False:
        rule.enabled = False
    elif positive is not None:
        rule.enabled, rule.positive = True, positive
    rule.enforcing = rule.enforcing if enforcing is None else enforcing


def _read_members(
    engine: Engine, group: AffinityGroup, body: Node, kind: Members, verb: str
) -> set[str] | None:
    if body.find(kind.tag) is None:
        return None
    return {_member_id(engine, group, node, kind, verb) for node in body.all(f"{kind.tag}/{kind.item}")}


def _member_id(engine: Engine, group: AffinityGroup, node: Node, kind: Members, verb: str) -> str:
    known = kind.known(engine)
    wanted = node.id or next((one.id for one in known.values() if one.name == node.string("name")), None)
    record = known.get(wanted or "")
    if record is None:
        raise conflict(f"Cannot {verb} Affinity Group. Provided VM is invalid (does not exist).")
    if isinstance(record, Vm) and record.cluster_id != group.cluster_id:
        raise conflict(f"Cannot {verb} Affinity Group. Provided VM resides in another Cluster.")
    return record.id


def remove(call: Call) -> Reply:
    with call.engine.lock:
        group = _group(call)
        call.engine.affinity_groups.pop(group.id)
        return removed(call, call.done(f"Removing Affinity Group {group.name}"))


def _routes(kind: Members) -> list[ApiRoute]:
    """The members of one kind: listed, added, taken out."""

    def item(call: Call, member: str) -> Element:
        base = f"clusters/{call.ids['cluster']}/affinitygroups/{call.ids['group']}/{kind.rel}"
        record = kind.known(call.engine)[member]
        return entity(kind.item, f"{base}/{member}", member, name=record.name)

    def list_members(call: Call) -> Reply:
        with call.engine.lock:
            known = kind.known(call.engine)
            members = [member for member in sorted(kind.of(_group(call))) if member in known]
            tag = "affinity_labels" if kind.home == "affinitylabels" else kind.tag
            return listing(call, tag, members, lambda member: item(call, member))

    def show_member(call: Call) -> Reply:
        with call.engine.lock:
            if call.ids["member"] not in kind.of(_group(call)):
                raise gone()
            return found(item(call, call.ids["member"]))

    def add_member(call: Call) -> Reply:
        with call.engine.lock:
            group, body = _group(call), call.document
            if not (body.id or body.string("name")):
                raise incomplete(kind.item.title().replace("_", ""), "id|name", "add")
            member = _member_id(call.engine, group, body, kind, "edit")
            if member in kind.of(group):
                raise conflict("Cannot edit Affinity Group. Duplicate VM.")
            kind.of(group).add(member)
            return Reply(201, item(call, member))

    def remove_member(call: Call) -> Reply:
        with call.engine.lock:
            group = _group(call)
            if call.ids["member"] not in kind.of(group):
                raise gone()
            kind.of(group).discard(call.ids["member"])
            return removed(call, call.done(f"Editing Affinity Group {group.name}"))

    path = f"clusters/{{cluster}}/affinitygroups/{{group}}/{kind.rel}"
    return [
        get(path, list_members),
        post(path, add_member),
        get(f"{path}/{{member}}", show_member),
        delete(f"{path}/{{member}}", remove_member),
    ]


ROUTES: list[ApiRoute] = [
    get("clusters/{cluster}/affinitygroups", list_all),
    post("clusters/{cluster}/affinitygroups", add),
    get("clusters/{cluster}/affinitygroups/{group}", show),
    put("clusters/{cluster}/affinitygroups/{group}", update),
    delete("clusters/{cluster}/affinitygroups/{group}", remove),
    *(route for kind in KINDS for route in _routes(kind)),
]
