"""The journal of a run: which leaves of the destination may have changed, and which ones are durable.

One file a disk and generation, begun before the first write of a run and continued by every attempt until
the run is complete. Its records are appended in the order of events:

    HEADER   once: what the journal belongs to and which content the destination had when it was begun
    ATTEMPT  a process takes over; from here on it alone writes
    INTENT   these leaves are about to be sent
    DURABLE  these leaves are on the destination's disk, with these digests

A leaf is what the last record about it says: durable, or (INTENT) unknown: it may hold the old bytes, the new
ones or a mixture. What no record names is as it was at the beginning.

Intents are written, not synced: the kernel keeps them whatever happens to our processes, and one fsync a
frame would cost more than the transfer. Only a restart of the machine can lose them, so an attempt names the
boot it ran in, and after another boot nothing is believed but what the last attempt recorded as durable.
"""

import contextlib
import errno
import fcntl
import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from coriolis.agent.frames import DIGEST_BYTES, Geometry
from coriolis.errors import TransferError

MAGIC = b"coriolis journal 1\n"
UNKNOWN = b"\xff" * DIGEST_BYTES  # equal to no leaf's digest but by a chance of 2^-128: such a leaf is sent
BASE_SUFFIX = ".base"

HEADER, ATTEMPT, INTENT, DURABLE = 1, 2, 3, 4
_RECORD = struct.Struct("!BII")  # kind, bytes of payload, CRC-32 of the payload
_SEAL = struct.Struct("!I")  # CRC-32 of these: tells a torn tail from a length that rotted
_RANGE = struct.Struct("!QI")  # first leaf, number of leaves
_FIRST = struct.Struct("!Q")
_PAYLOAD_BYTES = 1 << 20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Base = Literal["zeros", "unknown", "list"]


class UnusableJournalError(Exception):
    """It is damaged, somebody else's, or does not tell enough; says which. The destination is compared then."""


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """`base`: what the destination held at the beginning: zeros, anything, or the list with root `base_root`."""

    disk_id: str
    destination_id: str
    scope: str
    generation: int
    size: int
    leaf: int
    algorithm: str
    base: Base
    base_root: str = ""

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.size, self.leaf)

    @property
    def subject(self) -> "Subject":
        return Subject(self.disk_id, self.destination_id, self.scope, self.generation, self.size, self.leaf)


class Subject(NamedTuple):
    """What a journal must be about to be of use for a run."""

    disk_id: str
    destination_id: str
    scope: str
    generation: int
    size: int
    leaf: int


class Journal:
    """An open journal, locked against every other process. Safe from several threads: each record is one
    append.
    """

    def __init__(self, descriptor: int, header: JournalHeader) -> None:
        self._descriptor = descriptor
        self.header = header

    @classmethod
    def begin(cls, path: Path, header: JournalHeader, token: int) -> Self:
        """A new one in the place of whatever is there; durable, with its name, when this returns."""
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        journal = cls(descriptor, header)
        try:
            _lock(descriptor, path)
            with journal._failures_named():
                os.write(descriptor, MAGIC)
            journal._append(HEADER, json.dumps(asdict(header)).encode())
            journal._attempt(token)
            sync_directory(path.parent)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def resume(cls, path: Path, subject: Subject) -> Self:
        """To be followed by `replay` and `go_on`. Raises UnusableJournalError."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise UnusableJournalError(f"{path}: {error.strerror}") from error
        try:
            _lock(descriptor, path)
            header = _read_header(descriptor)
            _require_subject(header, subject, path)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, header)

    def replay(self, leaves: Any) -> None:
        """`leaves`: writable list of digests with the content at the beginning; becomes what is known now.

        Cuts a torn tail off. Raises UnusableJournalError, also where a restart of this machine leaves so much
        unknown that comparing the destination is better.
        """
        with mmap.mmap(self._descriptor, 0, prot=mmap.PROT_READ) as content:
            end = _Replay(content, self.header, leaves).run()
        os.ftruncate(self._descriptor, end)

    def go_on(self, token: int) -> None:
        """From now on this process writes to the destination, which it has fenced with `token`."""
        self._attempt(token)

    def intend(self, first: int, count: int) -> None:
        """Leaves `first` to `first + count - 1` are about to be sent."""
        self._append(INTENT, _RANGE.pack(first, count))

    def durable(self, runs: Iterable[tuple[int, bytes]]) -> None:
        """These leaves (number of the first, digests) are on the destination's disk; so is this when it
        returns.
        """
        self.settled(runs)
        self._sync()

    def settled(self, runs: Iterable[tuple[int, bytes]]) -> None:
        """These leaves were intended, but will not be sent; like intents this is not synced."""
        for first, digests in runs:
            for start in range(0, len(digests), _PAYLOAD_BYTES - DIGEST_BYTES):
                piece = digests[start : start + _PAYLOAD_BYTES - DIGEST_BYTES]
                self._append(DURABLE, _FIRST.pack(first + start // DIGEST_BYTES) + piece)

    def close(self) -> None:
        os.close(self._descriptor)

    def _attempt(self, token: int) -> None:
        self._append(ATTEMPT, json.dumps({"token": token, "boot": boot_id()}).encode())
        self._sync()

    def _append(self, kind: int, payload: bytes) -> None:
        head = _RECORD.pack(kind, len(payload), zlib.crc32(payload))
        record = head + _SEAL.pack(zlib.crc32(head)) + payload
        with self._failures_named():
            done = os.write(self._descriptor, record)
            if done != len(record):  # the disk is full; what stands there now is a torn tail
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _sync(self) -> None:
        with self._failures_named():
            os.fdatasync(self._descriptor)

    @contextlib.contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"its journal cannot be written: {error.strerror}"
            raise TransferError(disk=self.header.disk_id, reason=reason) from error


class _Replay:
    """One pass over the records; a restart of the machine makes it look at the attempt before it once more."""

    def __init__(self, content: Any, header: JournalHeader, leaves: Any) -> None:
        self._content = content
        self._header = header
        self._leaves = leaves
        self._attempts: list[tuple[int, str]] = []  # where each begins, its boot

    def run(self) -> int:
        """Where the last whole record ends."""
        end = len(MAGIC)
        for kind, start, end in _records(self._content, len(MAGIC)):
            if kind == ATTEMPT:
                boot = _boot_of(self._content[start:end])
                self._after_boot(boot, start)
                self._attempts.append((end, boot))
            else:
                self._apply(kind, start, end)
        self._after_boot(boot_id(), end)
        return end

    def _after_boot(self, boot: str, end: int) -> None:
        """If what was recorded last ran in another boot than `boot`, its intents may be missing."""
        if not self._attempts or self._attempts[-1][1] == boot:
            return
        if self._header.base == "list":
            raise UnusableJournalError("this machine was restarted since, so intents may be missing")
        self._leaves[:] = UNKNOWN * self._header.geometry.leaves
        for kind, start, stop in _records(self._content, self._attempts[-1][0]):
            if stop > end or kind == ATTEMPT:
                return
            self._apply(kind, start, stop)

    def _apply(self, kind: int, start: int, end: int) -> None:
        if kind == INTENT:
            first, count = _RANGE.unpack(self._content[start:end])
            self._set(first, UNKNOWN * count)
        elif kind == DURABLE:
            (first,) = _FIRST.unpack(self._content[start : start + _FIRST.size])
            self._set(first, self._content[start + _FIRST.size : end])
        elif kind != HEADER:
            raise UnusableJournalError(f"it holds a record of kind {kind}")

    def _set(self, first: int, digests: bytes) -> None:
        if first * DIGEST_BYTES + len(digests) > len(self._leaves):
            raise UnusableJournalError(f"leaf {first} is beyond the disk")
        self._leaves[first * DIGEST_BYTES : first * DIGEST_BYTES + len(digests)] = digests


def resumable(path: Path, subject: Subject) -> bool:
    """Whether there is a journal of this subject that nobody holds; `replay` may still find it doubtful."""
    try:
        Journal.resume(path, subject).close()
    except UnusableJournalError:
        return False
    return True


def base_of(journal: Path) -> Path:
    """Where the list is kept that a journal is based on, if it is no published one."""
    return journal.with_name(journal.name + BASE_SUFFIX)


def boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    """Held by the process that writes to the destination, until it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnusableJournalError(f"{path}: another process still holds it") from None


def _read_header(descriptor: int) -> JournalHeader:
    block = os.pread(descriptor, 65536, 0)
    if not block.startswith(MAGIC):
        raise UnusableJournalError("not a journal")
    for kind, start, end in _records(block, len(MAGIC)):
        if kind == HEADER:
            with contextlib.suppress(ValueError, TypeError):
                return JournalHeader(**json.loads(block[start:end]))
        break
    raise UnusableJournalError("it has no header")


def _require_subject(header: JournalHeader, subject: Subject, path: Path) -> None:
    if header.subject != subject:
        raise UnusableJournalError(f"{path}: it is about {header.subject}, not {subject}")


def _records(content: Any, position: int) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of each payload. Ends before a torn tail; raises UnusableJournalError for damage
    that is not one.
    """
    head_bytes = _RECORD.size + _SEAL.size
    while len(content) - position >= head_bytes:
        head = bytes(content[position : position + _RECORD.size])
        (seal,) = _SEAL.unpack(content[position + _RECORD.size : position + head_bytes])
        kind, length, checksum = _RECORD.unpack(head)
        start = position + head_bytes
        if seal != zlib.crc32(head) or length > _PAYLOAD_BYTES:
            raise UnusableJournalError(f"damaged at byte {position}")
        if start + length > len(content):
            return
        if checksum != zlib.crc32(content[start : start + length]):
            raise UnusableJournalError(f"damaged at byte {start}")
        yield kind, start, start + length
        position = start + length


def _boot_of(payload: bytes) -> str:
    try:
        return str(json.loads(payload)["boot"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableJournalError(f"attempt: {error}") from error
