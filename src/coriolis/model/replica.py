"""What is known of the copies on the destination cloud."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplicaDisk:
    """The destination's copy of one source disk.

    `generation` counts the completed runs (0: never synced). `dirty` is set before the first write of a run and
    cleared after its last flush: a dirty replica may hold anything, and its next run compares both ends unless
    the journal tells what it holds.
    `manifest` is the path of the leaf list of generation `generation`, relative to the state directory, and
    `journal` that of the run that is under way or broke off: no run without it has written to the disk since.
    `digest` is of the content of generation `generation`, for hosts that do not have its list. `source_point` is what
    the source calls the point in time that content is of, if it was read from an image (`ImageDisk.point`).
    """

    disk_id: str
    volume_id: str
    volume_name: str
    size_bytes: int
    generation: int = 0
    dirty: bool = False
    manifest: str | None = None
    journal: str | None = None
    digest: "ContentDigest | None" = None
    source_point: str | None = None


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """Of the first `size` bytes of a disk: `root` as `coriolis.agent.digests.root` makes it, with leaves of `leaf`
    bytes."""

    algorithm: str
    leaf: int
    size: int
    root: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.leaf}:{self.size}:{self.root}"

    @classmethod
    def parse(cls, text: str) -> "ContentDigest":
        algorithm, leaf, size, root = text.split(":")
        return cls(algorithm, int(leaf), int(size), root)


@dataclass(frozen=True, slots=True)
class ClonedDisk:
    """A copy of a replica disk, made for one deployment."""

    disk_id: str
    volume_id: str
    volume_name: str
    size_bytes: int
    bootable: bool


@dataclass(frozen=True, slots=True)
class DeployedInstance:
    """The VM that a deployment made. `addresses` as the cloud reports them (may come late or never)."""

    id: str
    name: str
    addresses: tuple[str, ...] = ()
    powered_on: bool = False


@dataclass(frozen=True, slots=True)
class DetectedOs:
    """What OSMorphing found on the disks: e.g. ("linux", "debian", "12", "Debian GNU/Linux 12 (bookworm)")."""

    os_type: str
    distribution: str
    version: str
    friendly_name: str
