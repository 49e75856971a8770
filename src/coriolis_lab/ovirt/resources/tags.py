"""Tags: a tree of labels, hung on VMs, templates and hosts."""

from collections.abc import Container

from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, reference
from coriolis_lab.ovirt.names import check_alias
from coriolis_lab.ovirt.records import ROOT_TAG_ID, Tag
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete, missing
from coriolis_lab.ovirt.resources.listing import catalog, listing
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, completed, delete, found, get, post, put, removed

# what can be tagged: the word in a path -> the variable's name there
OWNERS = {"vms": "vm", "templates": "template", "hosts": "host"}


def render(tag: Tag, path: str = "tags") -> Element:
    parent = reference("parent", "tags", tag.parent_id) if tag.parent_id else None
    return entity("tag", f"{path}/{tag.id}", tag.id, parent, name=tag.name, description=tag.description)


def _tag(call: Call) -> Tag:
    tag = call.engine.tags.get(call.ids["tag"])
    if tag is None:
        raise gone()
    return tag


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        name = body.string("name")
        if not name:
            raise incomplete("Tag", "name", "add")
        check_alias(name)
        _check_name_free(engine, name)
        parent = body.find("parent")
        tag = Tag(new_id(), name, body.string("description") or "", ROOT_TAG_ID)
        if parent is not None and (parent.id or parent.string("name")):
            tag.parent_id = _named(engine, parent.id, parent.string("name")).id
        engine.tags[tag.id] = tag
        return Reply(201, render(tag))


def _check_name_free(engine: Engine, name: str, besides: Tag | None = None) -> None:
    if any(tag.name == name and tag is not besides for tag in engine.tags.values()):
        raise conflict("The specified Tag name already exists.")


def _named(engine: Engine, identifier: str | None, name: str | None) -> Tag:
    for tag in engine.tags.values():
        if tag.id == identifier or (identifier is None and tag.name == name):
            return tag
    raise missing(f"Tag: {identifier or name}")


def update(call: Call) -> Reply:
    with call.engine.lock:
        tag, body = _tag(call), call.document
        name = body.string("name")
        if name:
            check_alias(name)
            _check_name_free(call.engine, name, tag)
        tag.name = name or tag.name
        tag.description = body.string_or("description", tag.description)
        return found(render(tag))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        tag = _tag(call)
        if tag.id == ROOT_TAG_ID:
            raise conflict("Cannot edit readonly tag")
        call.engine.tags.pop(tag.id)
        return removed(call, call.done(f"Removing Tag {tag.name}"))


def _owner_id(call: Call) -> str:
    kind = call.path.partition("/")[0]
    identifier = call.ids[OWNERS[kind]]
    known: dict[str, Container[str]] = {
        "vms": call.engine.vms,
        "templates": call.engine.templates,
        "hosts": call.engine.hosts,
    }
    if identifier not in known[kind]:
        raise gone()
    return identifier


def list_of_owner(call: Call) -> Reply:
    with call.engine.lock:
        owner = _owner_id(call)
        tags = [tag for tag in call.engine.tags.values() if owner in tag.owners]
        return listing(call, "tags", tags, lambda tag: render(tag, call.path))


def hang(call: Call) -> Reply:
    with call.engine.lock:
        owner, body = _owner_id(call), call.document
        tag = _named(call.engine, body.id, body.string("name"))
        tag.owners.add(owner)
        return Reply(201, render(tag, call.path))


def show_of_owner(call: Call) -> Reply:
    with call.engine.lock:
        owner, tag = _owner_id(call), _tag(call)
        if owner not in tag.owners:
            raise gone()
        return found(render(tag, call.path.rpartition("/")[0]))


def take_off(call: Call) -> Reply:
    with call.engine.lock:
        owner, tag = _owner_id(call), _tag(call)
        if owner not in tag.owners:
            raise gone()
        tag.owners.discard(owner)
        return completed(call.done(f"Detaching Tag {tag.name}"))


ROUTES: list[ApiRoute] = [
    *catalog(
        "tags", "tags", lambda call: list(call.engine.tags.values()), lambda _call, tag: render(tag), "tag"
    ),
    post("tags", add),
    put("tags/{tag}", update),
    delete("tags/{tag}", remove),
    *(get(f"{owners}/{{{one}}}/tags", list_of_owner) for owners, one in OWNERS.items()),
    *(post(f"{owners}/{{{one}}}/tags", hang) for owners, one in OWNERS.items()),
    *(get(f"{owners}/{{{one}}}/tags/{{tag}}", show_of_owner) for owners, one in OWNERS.items()),
    *(delete(f"{owners}/{{{one}}}/tags/{{tag}}", take_off) for owners, one in OWNERS.items()),
]
