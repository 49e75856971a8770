"""Follows every link of an engine's API, as a client does that was not written for it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests

from coriolis_lab.ovirt.document import Node, parse
from coriolis_lab.ovirt.json_format import read as read_json
from coriolis_lab.ovirt.markup import API_ROOT
from coriolis_lab.ovirt.web import UUID
from tests.conformance.ovirt.conftest import Engine

XML = "application/xml"
JSON = "application/json"


@dataclass(frozen=True)
class Page:
    """`path` is below the API root; `found_on` names the page that linked here first."""

    path: str
    found_on: str
    root: Node

    @property
    def is_entity(self) -> bool:
        return "href" in self.root.attributes

    @property
    def relations(self) -> list[str]:
        """The `rel` of each link of the first entity on the page."""
        entity = self.root if self.is_entity else next(iter(self.root.children), self.root)
        return [node.attributes["rel"] for node in entity.children if node.tag == "link"]


@dataclass
class Crawl:
    """What a walk found. `dead`: "404 /vms/…/x (on /vms)". `actions`: paths that answer a POST. `write_only`: those
    that know no GET.
    """

    pages: list[Page] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    actions: dict[str, None] = field(default_factory=dict)
    searches: list[str] = field(default_factory=list)
    write_only: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> list[Page]:
        """One page of each kind: /vms, /vms/ID, /vms/ID/nics …"""
        return list({UUID.sub("ID", page.path): page for page in self.pages}.values())


class Client:
    """A plain HTTP client with one session's token."""

    def __init__(self, engine: Engine) -> None:
        self._root = engine.front.url
        self._http = requests.Session()
        self._http.trust_env = False  # REQUESTS_CA_BUNDLE would win over the engine's own CA
        self._http.verify = str(engine.front.ca_file)
        self._http.headers["Authorization"] = f"Bearer {engine.connection.authenticate()}"

    def get(self, path: str, accept: str = XML, **query: str) -> requests.Response:
        return self._http.get(self._root + path, headers={"Accept": accept}, params=query, timeout=30)

    def act(self, path: str, body: bytes = b"<action/>") -> requests.Response:
        headers = {"Accept": XML, "Content-Type": XML}
        return self._http.post(self._root + path, headers=headers, data=body, timeout=30)


def crawl(client: Client) -> Crawl:
    """Breadth first from the API's root, each address once."""
    found = Crawl()
    waiting = deque([("", "the start")])
    seen = {""}
    while waiting:
        path, found_on = waiting.popleft()
        answer = client.get(path)
        if answer.status_code == requests.codes.method_not_allowed and "POST" in answer.headers["Allow"]:
            found.write_only.append(path)
            continue
        if answer.status_code != requests.codes.ok:
            found.dead.append(f"{answer.status_code} {path} (on {found_on})")
            continue
        page = Page(path, found_on, parse(answer.content))
        found.pages.append(page)
        for node, is_action in _linked(page.root):
            target = node.attributes["href"].removeprefix(API_ROOT)
            if is_action:
                found.actions[target] = None
            elif "{" in target:
                found.searches.append(target)
            elif target not in seen:
                seen.add(target)
                waiting.append((target, path or "/"))
    return found


def _linked(node: Node, inside_actions: bool = False) -> Iterator[tuple[Node, bool]]:
    """Every node with an address, and whether it is an action's."""
    if "href" in node.attributes:
        yield node, inside_actions
    for child in node.children:
        yield from _linked(child, inside_actions or node.tag == "actions")


def addresses(text: bytes) -> set[str]:
    """All the hrefs of a document in JSON."""
    return addresses_of(read_json(text))


def addresses_of(root: Node) -> set[str]:
    return {node.attributes["href"] for node, _action in _linked(root)}
