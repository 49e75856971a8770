"""`?follow=disk_attachments.disk,nics`: linked entities written in place of the links, one request instead of
many.
"""

from collections.abc import Callable, Collection
from dataclasses import replace

from coriolis_lab.ovirt import sdk_model
from coriolis_lab.ovirt.markup import API_ROOT, Element
from coriolis_lab.ovirt.refusals import RefusalError

MAX_DEPTH = 4

Fetch = Callable[[str], Element]


def expand(element: Element, follow: str, fetch: Fetch) -> Element:
    """`fetch` gets a path below the API root. Applies to each item of a collection. Deeper than
    MAX_DEPTH levels is cut.
    """
    for path in follow.split(","):
        steps = [step.strip() for step in path.strip().split(".") if step.strip()][:MAX_DEPTH]
        if not steps:
            continue
        if element.href is None:
            element = element.with_children(_follow(child, steps, fetch) for child in element.children)
        else:
            element = _follow(element, steps, fetch)
    return element


def _follow(element: Element, steps: list[str], fetch: Fetch) -> Element:
    """A link becomes a list after the links' place, a reference its whole entity; what is not linked stays as
    it is.
    """
    step, rest = _member(element, steps[0]), steps[1:]
    children = list(element.children)
    for position, child in enumerate(children):
        if child.tag == step:
            children[position] = _follow_inside(_whole(child, fetch), rest, fetch)
            return element.with_children(children)
    rel = step.replace("_", "")
    link = next(
        (child for child in children if child.tag == "link" and ("rel", rel) in child.attributes), None
    )
    if link is not None and step in _members(element):
        fetched = _fetch(link, fetch)
        # the list bears the name of the member, not of its items' type: a host's <nics> are <host_nic>s
        inside = replace(fetched, tag=step) if fetched is not link else link
        children.append(_follow_inside(inside, rest, fetch))
    return element.with_children(children)


def _members(element: Element) -> Collection[str]:
    known = sdk_model.load().roots.get(element.tag)
    return sdk_model.load().types[known.type].members if known else ()


def _member(element: Element, step: str) -> str:
    """Clients name a step as the member or as the link: disk_attachments or diskattachments."""
    plain = step.replace("_", "")
    return next((name for name in _members(element) if name.replace("_", "") == plain), step)


def _whole(reference: Element, fetch: Fetch) -> Element:
    """The entity behind a reference; of a list of references each of them."""
    if reference.children and reference.href is None:
        return reference.with_children(_whole(child, fetch) for child in reference.children)
    if reference.children or reference.href is None:
        return reference
    return replace(_fetch(reference, fetch), tag=reference.tag)


def _follow_inside(element: Element, steps: list[str], fetch: Fetch) -> Element:
    if not steps:
        return element
    if element.href is None:
        return element.with_children(_follow(child, steps, fetch) for child in element.children)
    return _follow(element, steps, fetch)


def _fetch(link: Element, fetch: Fetch) -> Element:
    """The link itself where the entity has gone meanwhile."""
    href = link.href or ""
    try:
        return fetch(href.removeprefix(API_ROOT + "/"))
    except RefusalError:
        return link
