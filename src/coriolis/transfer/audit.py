"""Re-reading a disk on a worker: proof of what it holds, independent of how it got there."""

import time
from dataclasses import dataclass
from pathlib import Path

from coriolis.agent import frames
from coriolis.agent.digests import root
from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.agent.pipes import read_into
from coriolis.errors import TransferError, VerificationFailed
from coriolis.model.worker import SshLogin, WorkerDisk
from coriolis.transfer.agent_process import AgentProcess, Assignment, Check
from coriolis.transfer.job import DiskEnd
from coriolis.transfer.manifest import LeafList, UnusableLeafListError


@dataclass(frozen=True, slots=True)
class DiskDigests:
    """A disk's leaf list; `root` as in a manifest made with the same leaf size and algorithm."""

    size: int
    leaf: int
    algorithm: str
    leaves: bytes
    root: str


def hash_disk(
    login: SshLogin,
    disk: WorkerDisk,
    *,
    leaf_size: int = 65536,
    algorithm: str = "sha256",
    timeout: float = 300.0,
    check: Check = lambda: None,
) -> DiskDigests:
    """Reads the first `disk.size_bytes` of the disk past the page cache. `timeout` is for the connection;
    `check` is called at least twice a second and may raise. Raises TransferError and WorkerError kinds.
    """
    geometry = Geometry(disk.size_bytes, leaf_size)
    with AgentProcess(Assignment("hasher", DiskEnd(login, disk), disk.disk_id, geometry)) as process:
        process.introduce(time.monotonic() + timeout, check)
        process.begin(algorithm=algorithm)
        leaves = bytes(receive_hashes(process, check))
    return DiskDigests(*geometry, algorithm, leaves, root(geometry, algorithm, leaves))


def verify_disk(
    login: SshLogin, disk: WorkerDisk, manifest: Path, *, timeout: float = 300.0, check: Check = lambda: None
) -> str:
    """The root digest, if the disk holds what its manifest says; raises VerificationFailed at the first
    difference.
    """
    try:
        with LeafList(manifest) as leaves:
            header, expected = leaves.header, bytes(leaves.digests)
    except UnusableLeafListError as error:
        raise TransferError(disk=disk.disk_id, reason=f"no manifest to verify it by: {error}") from error
    sized = WorkerDisk(disk.disk_id, disk.serial, header.size)
    found = hash_disk(
        login, sized, leaf_size=header.leaf, algorithm=header.algorithm, timeout=timeout, check=check
    )
    if found.leaves != expected:
        raise _difference(disk.disk_id, header.geometry, found.leaves, expected)
    return found.root


def _difference(disk_id: str, geometry: Geometry, found: bytes, expected: bytes) -> VerificationFailed:
    places = range(0, len(expected), DIGEST_BYTES)
    differing = [p for p in places if found[p : p + DIGEST_BYTES] != expected[p : p + DIGEST_BYTES]]
    offset = differing[0] // DIGEST_BYTES * geometry.leaf
    length = min(geometry.leaf, geometry.size - offset)
    reason = f"{len(differing)} of {geometry.leaves} leaves differ from its manifest."
    return VerificationFailed(disk=disk_id, offset=offset, length=length, reason=reason)


def receive_hashes(process: AgentProcess, check: Check) -> bytearray:
    """The list of a hasher that was told to begin."""
    leaves = bytearray(process.stream.geometry.list_bytes)
    view, have = memoryview(leaves), 0
    while True:
        process.wait_readable(check)
        header = process.receive()
        if header.kind == frames.STATUS:
            process.payload(header)
        elif header.kind == frames.LEAVES and header.offset == have:
            with process.failures_named():
                read_into(process.stream.incoming, view[have : have + header.raw])
            have += header.raw
        elif header.kind == frames.EOF and have == len(leaves):
            process.payload(header)
            return leaves
        else:
            raise process.protocol_failure(f"a hasher sends no frame of kind {header.kind} now")
