"""One flipped bit between two machines: whatever it hits, the run fails, and the next one ends identical.

What flips inside the transfer child is in test_interruption; what flips on the destination afterwards is in
test_copy.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from coriolis.errors import TransferInterrupted, VerificationFailed
from coriolis.transfer.audit import verify_disk
from coriolis.transfer.job import DiskEnd
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import LEAF, Pair, flip_bit, touch_leaves

MIB = 1 << 20
SIZE = 24 * MIB
FLIPPED_BYTE = 9 * MIB  # of one direction of the connection: well within the payloads


class FlippingProxy:
    """A TCP port on loopback in front of another, that flips one bit of what passes in one direction."""

    def __init__(self, port: int, *, from_server: bool) -> None:
        self._target = port
        self._from_server = from_server
        self.flipped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for source, target, flips in (
                    (client, server, not self._from_server),
                    (server, client, self._from_server),
                ):
                    threading.Thread(target=self._pump, args=(source, target, flips), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, flips: bool) -> None:
        passed = 0
        with suppress(OSError):
            while piece := bytearray(source.recv(1 << 16)):
                place = FLIPPED_BYTE - passed
                if flips and 0 <= place < len(piece):
                    piece[place] ^= 0x10
                    self.flipped.set()
                passed += len(piece)
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in self._sockets:
            one.close()


@contextmanager
def proxied(end: DiskEnd, *, from_server: bool) -> Iterator[tuple[FlippingProxy, DiskEnd]]:
    proxy = FlippingProxy(end.login.port, from_server=from_server)
    try:
        yield proxy, replace(end, login=replace(end.login, port=proxy.port))
    finally:
        proxy.close()


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_bit_flipped_on_the_network_fails_the_run(sshd: PrivateSshd, tmp_path: Path, side: str) -> None:
    """The tunnel notices; nothing of the packet it hit reaches the disk."""
    pair = Pair(sshd, tmp_path, SIZE)
    pair.source.write_bytes(os.urandom(SIZE))
    end = getattr(pair.disk(1), side)
    with proxied(end, from_server=side == "source") as (proxy, changed), pytest.raises(TransferInterrupted):
        pair.copy(1, **{side: changed}, compression="none")
    assert proxy.flipped.is_set()
    assert not pair.manifest(1).exists()
    assert_old_or_new(pair)
    pair.copy(1, compare_destination=True)
    assert pair.identical()


def assert_old_or_new(pair: Pair) -> None:
    """Each leaf of the destination is as it was (zeros) or as the source's."""
    with pair.source.open("rb") as source, pair.destination.open("rb") as destination:
        while wanted := source.read(LEAF):
            assert destination.read(LEAF) in (wanted, bytes(len(wanted)))


def test_what_was_tampered_with_between_runs_is_found_and_repaired(sshd: PrivateSshd, tmp_path: Path) -> None:
    """A run by the stored list rightly does not look at the destination; the audit does, and a run that
    compares moves nothing but what was tampered with.
    """
    pair = Pair(sshd, tmp_path, 8 * MIB)
    pair.copy(1)
    flip_bit(pair.destination, 60 * LEAF + 77)
    changed = touch_leaves(pair.source, 0.02)
    assert pair.copy(2, previous=pair.manifest(1)).moved == changed
    end = pair.end(pair.destination, "volume")
    with pytest.raises(VerificationFailed) as caught:
        verify_disk(end, pair.manifest(2))
    assert (caught.value.fields["offset"], caught.value.fields["length"]) == (60 * LEAF, LEAF)
    repaired = pair.copy(3, compare_destination=True)
    assert pair.identical()
    assert repaired.moved + repaired.zero == LEAF
    assert verify_disk(end, pair.manifest(3)) == repaired.root_digest
