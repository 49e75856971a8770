"""What Barbican keeps."""

from dataclasses import dataclass, field
from datetime import datetime

from coriolis.model.secret import Secret
from coriolis_lab.openstack.records import now


@dataclass
class StoredSecret:
    id: str
    project_id: str
    creator_id: str
    name: str | None
    content_type: str
    payload: Secret  # of bytes, in Latin-1
    created: datetime = field(default_factory=now)
    readers: list[str] = field(default_factory=list)
    project_access: bool = True
