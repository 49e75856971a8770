"""Calls and replies of the API below /ovirt-engine/api, and the router that joins paths and handlers.

Handlers are plain functions run in a worker thread: they take a `Call`, hold `call.engine.lock` while they
touch records, and return a `Reply` or raise a `RefusalError`.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import Engine
from coriolis_lab.ovirt.markup import Element, leaf, reference, struct
from coriolis_lab.ovirt.records import Job
from coriolis_lab.ovirt.refusals import bad_request, gone

_TRUE = ("true", "t", "yes", "y", "1", "")
_FALSE = ("false", "f", "no", "n", "0")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Call:
    """`path` is below the API root without a leading slash; `ids` holds its variable parts."""

    engine: Engine
    path: str
    ids: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Node | None = None
    correlation_id: str | None = None

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean parameter. As the engine reads them: alone it is true, and what is no boolean counts as missing."""
        value = self.query.get(name, "no" if not default else "yes").lower()
        if value in _TRUE:
            return True
        return False if value in _FALSE else default

    def done(self, description: str) -> Job:
        """A finished job of this call: what it did took no time."""
        job = self.engine.journal.open_job(description, self.correlation_id)
        self.engine.journal.close_job(job, "finished")
        return job

    @property
    def document(self) -> Node:
        if self.body is None:
            raise bad_request("Request syntactically incorrect.", "The request body is missing.")
        return self.body


@dataclass(frozen=True)
class Reply:
    """`ended` is set when the work behind a 202 is done; `Expect: 201-created` waits for it."""

    status: int
    element: Element | None
    ended: threading.Event | None = None


Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class ApiRoute:
    """`template` such as "vms/{vm}/nics/{nic}"; an action's refusals are wrapped in `<action>`."""

    method: str
    template: str
    handler: Handler
    is_action: bool = False


# their ids are no UUIDs; `snapshots/None`, which Ansible asks for, is answered with 404
_FREE_IDS = (
    "snapshot",
    "event",
    "os",
    "option",
    "console",
    "level",
    "directory",
    "label",
    "permit",
    "file",
    "key",
    "lun",
)


class Router:
    def __init__(self, routes: Iterable[ApiRoute]) -> None:
        self._routes = [(_pattern(route.template), route) for route in routes]

    def match(self, method: str, path: str) -> tuple[ApiRoute, dict[str, str]]:
        """Raises an empty 404 for unknown paths, 400 for ids that are no UUIDs (snapshots/None: 404)."""
        for pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match and route.method == method:
                ids = match.groupdict()
                for name, value in ids.items():
                    if not UUID.fullmatch(value) and name not in _FREE_IDS:
                        raise bad_request("Malformed id", f"The string '{value}' isn't a valid identifier.")
                return route, ids
        raise gone()

    def methods(self, path: str) -> list[str]:
        """Those that a path knows; none for an unknown path."""
        known = {route.method for pattern, route in self._routes if pattern.fullmatch(path)}
        return sorted(known | ({"HEAD", "OPTIONS"} if known else set()))


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))


def get(template: str, handler: Handler) -> ApiRoute:
    return ApiRoute("GET", template, handler)


def post(template: str, handler: Handler) -> ApiRoute:
    return ApiRoute("POST", template, handler)


def put(template: str, handler: Handler) -> ApiRoute:
    return ApiRoute("PUT", template, handler)


def delete(template: str, handler: Handler) -> ApiRoute:
    return ApiRoute("DELETE", template, handler)


def action(template: str, handler: Handler) -> ApiRoute:
    return ApiRoute("POST", template, handler, is_action=True)


def found(element: Element) -> Reply:
    return Reply(200, element)


def collection(tag: str, elements: Sequence[Element]) -> Reply:
    return Reply(200, Element(tag).with_children(elements))


def completed(job: Job) -> Reply:
    """200: the action was done, or is under way as the entity's status shows."""
    return Reply(200, struct("action", reference("job", "jobs", job.id), leaf("status", "complete")))


def removed(call: Call, job: Job, ended: threading.Event | None = None) -> Reply:
    """DELETE: 200 with an action, or an empty 202 when the client asked for async."""
    if call.flag("async"):
        return Reply(202, None, ended)
    return completed(job)


class Named(Protocol):
    name: str


def immediate_actions(
    path: str, texts: Mapping[str, str], find: Callable[[Call], Named]
) -> Sequence[ApiRoute]:
    """Actions on what `find` gives that are done as soon as they are asked for. `texts`: what the job of each is
    called, before the entity's name.
    """

    def handler_of(text: str) -> Handler:
        def handler(call: Call) -> Reply:
            with call.engine.lock:
                return completed(call.done(f"{text} {find(call).name}"))

        return handler

    return [action(f"{path}/{name}", handler_of(text)) for name, text in texts.items()]


def empty_list(tag: str) -> Handler:
    """A sub-collection that is always empty here."""

    def handler(call: Call) -> Reply:
        with call.engine.lock:
            call.engine.require(call.ids)
        return collection(tag, [])

    return handler
