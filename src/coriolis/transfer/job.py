"""What a run of the data path is told: plain data, so that it can cross to the transfer child through a
pipe.
"""

from dataclasses import dataclass, field
from pathlib import Path

from coriolis.model.image import ImageDisk
from coriolis.model.worker import SshLogin, WorkerDisk
from coriolis.transfer.limits import Limits
from coriolis.transfer.signing import SigningKeys


@dataclass(frozen=True, slots=True)
class DiskEnd:
    """A disk on a worker VM: how to reach the worker, and which disk there."""

    login: SshLogin
    disk: WorkerDisk


@dataclass(frozen=True, slots=True)
class ImageEnd:
    """A disk that this conductor opens itself."""

    disk: ImageDisk


CopyEnd = DiskEnd | ImageEnd


@dataclass(frozen=True, slots=True)
class DiskCopy:
    """One disk of a run.

    `previous` is the leaf list of the destination's present content (generation - 1) or None; `manifest` is
    where the new one is published, only after everything is durable. `compare_destination`: the content of
    the destination is not known (dirty, list lost), so it is hashed first and that serves as `previous`.
    `destination_zeroed`: a new volume known to read as zeros, so zero leaves need not be sent on a first run.
    `journal`: where what becomes durable is noted while the run is under way. If there is one already, of an
    earlier attempt at the same generation, it tells what the destination holds, and only without a usable one
    the destination is compared; for that `previous` stays what it was when the journal was begun.
    `since`: the source's name for the point in time whose content `previous` is the list of, if its image can tell what
    changed; what did not is not read.
    """

    disk_id: str
    size_bytes: int
    source: CopyEnd
    destination: CopyEnd
    generation: int
    manifest: Path
    previous: Path | None = None
    compare_destination: bool = False
    destination_zeroed: bool = False
    journal: Path | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True)
class CopyJob:
    """All disks of one instance. `token` is the fencing token: a writer refuses one lower than it has seen
    for the same `scope` (the transfer and instance). `route`: auto, tls, ssh or direct (`transfer.route`);
    `agent_ports`: first and last port that a worker may listen on, 0, 0 for any. `audit_share`: of the leaves of each
    destination disk, read again before its list is published.
    """

    copies: tuple[DiskCopy, ...]
    scope: str
    token: int
    leaf_size: int = 65536
    compression: str = "auto"
    parallel_disks: int = 2
    connect_timeout: float = 300.0
    route: str = "ssh"
    agent_ports: tuple[int, int] = (0, 0)
    limits: Limits = field(default_factory=Limits)
    signing_keys: SigningKeys = ()
    audit_share: float = 0.0
