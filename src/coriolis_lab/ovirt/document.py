"""Reading of XML request bodies, with the engine's 400 answers for what does not fit."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from coriolis_lab.ovirt.refusals import bad_request

MAX_BODY_BYTES = 4 * 1024 * 1024


class MalformedXmlError(Exception):
    """The text is what expat said."""


@dataclass
class Node:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def find(self, path: str) -> "Node | None":
        """The first node at a path such as "cpu/topology/cores"."""
        node: Node | None = self
        for tag in path.split("/"):
            node = next((child for child in node.children if child.tag == tag), None) if node else None
        return node

    def all(self, path: str) -> Iterator["Node"]:
        """Every child named by the last part of the path."""
        head, _, last = path.rpartition("/")
        parent = self.find(head) if head else self
        for child in parent.children if parent else ():
            if child.tag == last:
                yield child

    @property
    def id(self) -> str | None:
        return self.attributes.get("id")

    def string(self, path: str) -> str | None:
        """None when the element is missing; "" when it is there and empty."""
        node = self.find(path)
        return None if node is None else node.text

    def string_or(self, path: str, current: str) -> str:
        """For an update: what is not there stays as it is, and an empty element empties."""
        given = self.string(path)
        return current if given is None else given

    def integer(self, path: str) -> int | None:
        text = self.string(path)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request("Invalid value", f"{path} expects an integer, not {text!r}") from None

    def boolean(self, path: str) -> bool | None:
        text = self.string(path)
        if not text:
            return None
        if text.lower() not in ("true", "false", "0", "1"):
            raise bad_request("Invalid value", f"{path} expects true or false, not {text!r}")
        return text.lower() in ("true", "1")

    def choice(self, path: str, allowed: Collection[str]) -> str | None:
        text = self.string(path)
        if not text:
            return None
        value = text.lower()
        if value not in allowed:
            possible = ", ".join(allowed)
            raise bad_request(
                "Invalid value",
                f"Invalid value {text} for {path.rpartition('/')[2]}. Possible values: {possible}",
            )
        return value


def parse(text: bytes) -> Node:
    """Raises MalformedXmlError. Document type declarations (and so entities) are refused."""
    root = Node("")
    stack = [root]
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_tag: str) -> None:
        node = stack.pop()
        if node.children:
            node.text = ""

    def data(text: str) -> None:
        stack[-1].text += text

    def doctype(*_args: object) -> None:
        raise MalformedXmlError("document type declarations are not allowed")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise MalformedXmlError(str(error)) from error
    return root.children[0]
