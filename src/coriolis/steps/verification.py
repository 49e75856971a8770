"""What the steps share that re-read disks on a worker VM and compare them with the replicas' leaf lists."""

import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from coriolis.agent.frames import Geometry
from coriolis.engine.context import StepContext
from coriolis.engine.progress import readable_bytes
from coriolis.errors import Cancelled, VerificationFailed
from coriolis.model.enums import EventLevel
from coriolis.model.replica import ContentDigest, ReplicaDisk
from coriolis.steps.ends import Resources, ends_of
from coriolis.steps.replica_files import signing_keys
from coriolis.transfer.algorithm import UnknownDigestKeyError, known_method
from coriolis.transfer.audit import verify_content, verify_disk
from coriolis.transfer.job import CopyEnd
from coriolis.transfer.manifest import LeafList, ManifestHeader, UnusableLeafListError

_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Verification:
    """`good` are disk ids, `bad` what differs, one error a disk; `bytes_read` of the disks that could be
    verified."""

    good: tuple[str, ...]
    bytes_read: int
    seconds: float
    bad: tuple[VerificationFailed, ...]

    def describe(self) -> str:
        disks = len(self.good) + len(self.bad)
        verdict = f"{len(self.bad)} differ" if self.bad else "all hold what was copied"
        return (
            f"Verified {disks} disk(s), {readable_bytes(self.bytes_read)} re-read in {self.seconds:.1f} s: "
            f"{verdict}."
        )


class DiskAudit:
    """Of the replicas of one instance, or of clones of them, where `resources` have them."""

    def __init__(self, op: StepContext, resources: Resources, transfer_id: str, instance_name: str) -> None:
        self._op = op
        self._ends = ends_of(resources)
        self._transfer_id = transfer_id
        self._instance_name = instance_name
        self._keys = signing_keys(op.settings)
        self._stop = threading.Event()
        self._read: dict[str, int] = {}

    def run(self, replicas: Sequence[ReplicaDisk]) -> Verification:
        """Re-reads all of them that can be compared. A replica that differs is marked dirty, so that the next run
        compares and mends it, and is an event; the caller decides what else follows."""
        began = time.monotonic()
        proofs = [(replica, self._proof_of(replica)) for replica in replicas if replica.disk_id in self._ends]
        chosen = [replica for replica, proof in proofs if proof is not None]
        with ThreadPoolExecutor(max_workers=self._op.settings.transfer.parallel_disks) as pool:
            futures = [
                pool.submit(self._verify, self._ends[replica.disk_id], proof)
                for replica, proof in proofs
                if proof is not None
            ]
            try:
                self._watch(chosen, futures)
            finally:
                self._stop.set()
        bad = tuple(found for future in futures if (found := future.result()) is not None)
        named = {str(error.fields["disk"]) for error in bad}
        self._mark(named)
        for error in bad:
            self._op.event(EventLevel.ERROR, f"{error.message} The next execution compares and mends it.")
        good = tuple(replica.disk_id for replica in chosen if replica.disk_id not in named)
        size = sum(replica.size_bytes for replica in chosen)
        return Verification(good, size, time.monotonic() - began, bad)

    def _proof_of(self, replica: ReplicaDisk) -> Path | ContentDigest | None:
        """The list, which tells where a disk differs; without it on this host the digest, which tells whether. None,
        with a warning, where there is neither: in a disaster that must not be in the way. Nor a key rotation, after
        which keyed digests cannot be computed until the next run has made others."""
        why = "its last run broke off" if replica.dirty else "nothing was copied to it"
        if replica.manifest is not None and not replica.dirty:
            path = self._op.settings.state_dir / replica.manifest
            try:
                with LeafList(path, self._keys) as leaves:
                    _require_fit(leaves.header, replica)
                    known_method(leaves.header.geometry, leaves.header.algorithm, self._keys)
            except (UnusableLeafListError, UnknownDigestKeyError) as error:
                if replica.digest is not None and self._can_compute(replica.digest):
                    return replica.digest
                why = f"its leaf list is not usable on this host: {error}"
            else:
                return path
        self._op.event(EventLevel.WARNING, f"Disk {replica.disk_id} is not verified: {why}.")
        return None

    def _can_compute(self, digest: ContentDigest) -> bool:
        try:
            known_method(Geometry(digest.size, digest.leaf), digest.algorithm, self._keys)
        except UnknownDigestKeyError:
            return False
        return True

    def _verify(self, end: CopyEnd, proof: Path | ContentDigest) -> VerificationFailed | None:
        """In a thread of its own. Raises what keeps it from finding out."""

        def progress(done: int) -> None:
            self._read[end.disk.disk_id] = done

        timeout = self._op.settings.transfer.connect_timeout
        try:
            if isinstance(proof, ContentDigest):
                verify_content(
                    end,
                    proof,
                    keys=self._keys,
                    timeout=timeout,
                    check=self._check,
                    progress=progress,
                )
            else:
                verify_disk(
                    end,
                    proof,
                    keys=self._keys,
                    timeout=timeout,
                    check=self._check,
                    progress=progress,
                )
        except VerificationFailed as error:
            return error
        return None

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled

    def _watch(
        self, replicas: Sequence[ReplicaDisk], futures: Sequence[Future[VerificationFailed | None]]
    ) -> None:
        """Until all have ended or one cannot go on. Raises what the operation's check raises."""
        remaining = set(futures)
        while remaining:
            ended, remaining = wait(remaining, timeout=_POLL_SECONDS)
            for future in ended:
                future.result()
            self._op.check()
            for replica in replicas:
                done = self._read.get(replica.disk_id, 0)
                self._op.progress(f"Verifying disk {replica.disk_id}", done, replica.size_bytes)

    def _mark(self, bad: Collection[str]) -> None:
        """Dirty without a journal: nothing but a comparison tells what is wrong with them."""
        if not bad:
            return
        replicas = self._op.database.replicas
        present = replicas.disks(self._transfer_id, self._instance_name)
        marked = [replace(r, dirty=True, journal=None) if r.disk_id in bad else r for r in present]
        replicas.save(self._op.fence, self._transfer_id, self._instance_name, marked)


def _require_fit(header: ManifestHeader, replica: ReplicaDisk) -> None:
    found = (header.disk_id, header.destination_id, header.generation)
    wanted = (replica.disk_id, replica.volume_id, replica.generation)
    if found != wanted:
        raise UnusableLeafListError(f"it is for {found}, not for {wanted}")
