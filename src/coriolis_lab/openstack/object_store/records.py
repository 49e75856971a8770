"""What Swift keeps for one project."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class StoredObject:
    """`manifest`: container and prefix of the segments that a dynamic large object is made of."""

    data: bytes
    manifest: str = ""
    content_type: str = "application/octet-stream"
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()


@dataclass
class Account:
    """Objects by container and name."""

    containers: dict[str, dict[str, StoredObject]] = field(default_factory=dict)

    def put(self, container: str, name: str, data: bytes) -> None:
        self.containers.setdefault(container, {})[name] = StoredObject(data)

    def drop(self, container: str, prefix: str) -> None:
        """All objects whose names begin so."""
        held = self.containers.get(container, {})
        for name in [name for name in held if name.startswith(prefix)]:
            del held[name]
