"""Affinity labels: put on VMs and hosts, from either side."""

from coriolis_lab.ovirt.administration import AffinityLabel
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, missing
from coriolis_lab.ovirt.resources.listing import listing
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, get, post, put, removed

MAX_NAME = 50


def render(label: AffinityLabel, path: str = "affinitylabels") -> Element:
    return entity(
        "affinity_label",
        f"{path}/{label.id}",
        label.id,
        leaf("has_implicit_affinity_group", label.implicit_group),
        leaf("read_only", False),
        name=label.name,
        links=("hosts", "vms") if path == "affinitylabels" else (),
    )


def _label(engine: Engine, identifier: str | None) -> AffinityLabel:
    label = engine.affinity_labels.get(identifier or "")
    if label is None:
        raise gone()
    return label


def list_all(call: Call) -> Reply:
    with call.engine.lock:
        return listing(call, "affinity_labels", call.engine.affinity_labels.values(), render)


def show(call: Call) -> Reply:
    with call.engine.lock:
        return found(render(_label(call.engine, call.ids["one"])))


def add(call: Call) -> Reply:
    """With the VMs and hosts that the body names, if any."""
    engine, body = call.engine, call.document
    with engine.lock:
        name = body.string("name")
        if not name:
            raise incomplete("AffinityLabel", "name", "add")
        _check_name(engine, name)
        label = AffinityLabel(new_id(), name, bool(body.boolean("has_implicit_affinity_group")))
        label.vms = {node.id for node in body.all("vms/vm") if node.id in engine.vms and node.id}
        label.hosts = {node.id for node in body.all("hosts/host") if node.id in engine.hosts and node.id}
        engine.affinity_labels[label.id] = label
        return Reply(201, render(label))


def _check_name(engine: Engine, name: str, besides: AffinityLabel | None = None) -> None:
    if len(name) > MAX_NAME or any(
        one.name == name and one is not besides for one in engine.affinity_labels.values()
    ):
        raise conflict("Cannot add Affinity Label. The Affinity Label name is already in use.")


def update(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        label = _label(engine, call.ids["one"])
        name, implicit = body.string("name"), body.boolean("has_implicit_affinity_group")
        if name:
            _check_name(engine, name, label)
        label.name = name or label.name
        label.implicit_group = label.implicit_group if implicit is None else implicit
        return found(render(label))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        label = _label(call.engine, call.ids["one"])
        call.engine.affinity_labels.pop(label.id)
        for group in call.engine.affinity_groups.values():
            group.vm_labels.discard(label.id)
            group.host_labels.discard(label.id)
        return removed(call, call.done(f"Removing Affinity Label {label.name}"))


def _bearers(label: AffinityLabel, kind: str) -> set[str]:
    return label.vms if kind == "vms" else label.hosts


def _routes_of_label(kind: str, one: str) -> list[ApiRoute]:
    """What bears a label, of a `kind` such as "vms", whose one's tag is "vm"."""

    def item(label: AffinityLabel, bearer: str) -> Element:
        return reference(one, f"affinitylabels/{label.id}/{kind}", bearer)

    def list_bearers(call: Call) -> Reply:
        with call.engine.lock:
            label = _label(call.engine, call.ids["one"])
            return listing(call, kind, sorted(_bearers(label, kind)), lambda bearer: item(label, bearer))

    def show_bearer(call: Call) -> Reply:
        with call.engine.lock:
            label = _label(call.engine, call.ids["one"])
            if call.ids["bearer"] not in _bearers(label, kind):
                raise gone()
            return found(item(label, call.ids["bearer"]))

    def add_bearer(call: Call) -> Reply:
        with call.engine.lock:
            label, bearer = _label(call.engine, call.ids["one"]), call.document.id
            if not bearer:
                raise incomplete(one.title(), "id", "add")
            known = call.engine.vms if kind == "vms" else call.engine.hosts
            if bearer not in known:
                raise missing(f"{one.title()}: id={bearer}")
            _bearers(label, kind).add(bearer)
            return Reply(201, item(label, bearer))

    def remove_bearer(call: Call) -> Reply:
        with call.engine.lock:
            label = _label(call.engine, call.ids["one"])
            if call.ids["bearer"] not in _bearers(label, kind):
                raise gone()
            _bearers(label, kind).discard(call.ids["bearer"])
            return removed(call, call.done(f"Editing Affinity Label {label.name}"))

    path = f"affinitylabels/{{one}}/{kind}"
    return [
        get(path, list_bearers),
        post(path, add_bearer),
        get(f"{path}/{{bearer}}", show_bearer),
        delete(f"{path}/{{bearer}}", remove_bearer),
    ]


def _routes_of_owner(kind: str, one: str) -> list[ApiRoute]:
    """The labels of such an entity, named `one` in paths."""

    def list_labels(call: Call) -> Reply:
        with call.engine.lock:
            call.engine.require(call.ids)
            path = f"{kind}/{call.ids[one]}/affinitylabels"
            here = [
                label
                for label in call.engine.affinity_labels.values()
                if call.ids[one] in _bearers(label, kind)
            ]
            return listing(call, "affinity_labels", here, lambda label: render(label, path))

    def show_label(call: Call) -> Reply:
        with call.engine.lock:
            call.engine.require(call.ids)
            label = _label(call.engine, call.ids["assigned"])
            if call.ids[one] not in _bearers(label, kind):
                raise gone()
            return found(render(label, f"{kind}/{call.ids[one]}/affinitylabels"))

    def assign(call: Call) -> Reply:
        with call.engine.lock:
            call.engine.require(call.ids)
            if not call.document.id:
                raise incomplete("AffinityLabel", "id", "add")
            label = call.engine.affinity_labels.get(call.document.id)
            if label is None:
                raise missing(f"AffinityLabel: id={call.document.id}")
            _bearers(label, kind).add(call.ids[one])
            return Reply(201, render(label, f"{kind}/{call.ids[one]}/affinitylabels"))

    def take_off(call: Call) -> Reply:
        with call.engine.lock:
            call.engine.require(call.ids)
            label = _label(call.engine, call.ids["assigned"])
            if call.ids[one] not in _bearers(label, kind):
                raise gone()
            _bearers(label, kind).discard(call.ids[one])
            return removed(call, call.done(f"Editing Affinity Label {label.name}"))

    path = f"{kind}/{{{one}}}/affinitylabels"
    return [
        get(path, list_labels),
        post(path, assign),
        get(f"{path}/{{assigned}}", show_label),
        delete(f"{path}/{{assigned}}", take_off),
    ]


ROUTES: list[ApiRoute] = [
    get("affinitylabels", list_all),
    post("affinitylabels", add),
    get("affinitylabels/{one}", show),
    put("affinitylabels/{one}", update),
    delete("affinitylabels/{one}", remove),
    *_routes_of_label("vms", "vm"),
    *_routes_of_label("hosts", "host"),
    *_routes_of_owner("vms", "vm"),
    *_routes_of_owner("hosts", "host"),
]
