"""Bookmarks: searches that the users of the web portal keep."""

from coriolis_lab.ovirt.administration import Bookmark
from coriolis_lab.ovirt.engine import Engine, new_id
from coriolis_lab.ovirt.markup import Element, entity, leaf
from coriolis_lab.ovirt.refusals import conflict, gone, incomplete
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call, Reply, delete, found, post, put, removed


def render(_call: Call, bookmark: Bookmark) -> Element:
    path = f"bookmarks/{bookmark.id}"
    return entity("bookmark", path, bookmark.id, leaf("value", bookmark.value), name=bookmark.name)


def _bookmark(call: Call) -> Bookmark:
    bookmark = call.engine.bookmarks.get(call.ids["one"])
    if bookmark is None:
        raise gone()
    return bookmark


def _check_name(engine: Engine, name: str, verb: str, besides: Bookmark | None = None) -> None:
    if any(one.name == name and one is not besides for one in engine.bookmarks.values()):
        raise conflict(
            f"Cannot {verb} Bookmark. The Bookmark name is already in use, please choose a unique name and try again."
        )


def add(call: Call) -> Reply:
    engine, body = call.engine, call.document
    with engine.lock:
        name, value = body.string("name"), body.string("value")
        if not name or not value:
            raise incomplete("Bookmark", "name" if not name else "value", "add")
        _check_name(engine, name, "add")
        bookmark = Bookmark(new_id(), name, value)
        engine.bookmarks[bookmark.id] = bookmark
        return Reply(201, render(call, bookmark))


def update(call: Call) -> Reply:
    with call.engine.lock:
        bookmark, body = _bookmark(call), call.document
        name = body.string("name") or bookmark.name
        _check_name(call.engine, name, "edit", bookmark)
        bookmark.name, bookmark.value = name, body.string("value") or bookmark.value
        return found(render(call, bookmark))


def remove(call: Call) -> Reply:
    with call.engine.lock:
        bookmark = _bookmark(call)
        call.engine.bookmarks.pop(bookmark.id)
        return removed(call, call.done(f"Removing Bookmark {bookmark.name}"))


ROUTES: list[ApiRoute] = [
    *catalog("bookmarks", "bookmarks", lambda call: list(call.engine.bookmarks.values()), render),
    post("bookmarks", add),
    put("bookmarks/{one}", update),
    delete("bookmarks/{one}", remove),
]
