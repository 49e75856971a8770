"""Progress of a disk copy, as reported at most once a second per disk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiskProgress:
    """Bytes. `scanned` of `size` were read and compared, `moved` crossed the wire as payload before compression.

    `rate` is scanned bytes a second over the last few seconds; `eta_seconds` is None until it can be told.
    """

    disk_id: str
    size: int
    scanned: int
    moved: int
    rate: float = 0.0
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DiskResult:
    """The outcome for one disk. `read` bytes of the source were read, `zero` bytes were not sent, `unchanged` bytes
    equal the last run's, `wire` bytes are what the relay really carried (frames, digests, compressed payload).
    `resumed`: the run went on from what an interrupted one had made durable, without comparing the destination.
    `manifest` as in ReplicaDisk, `root_digest` and `algorithm` (empty: not told) as in ContentDigest. `route`: the way
    the bytes took (tls, direct, ssh, local); `why_not`: what stood in the way of a better one."""

    disk_id: str
    size: int
    moved: int
    zero: int
    unchanged: int
    wire: int
    seconds: float
    root_digest: str
    manifest: str
    resumed: bool = False
    route: str = "ssh"
    why_not: str = ""
    algorithm: str = ""
    read: int = 0
