"""The keyed digest: what it computes, with which interpreters, and that nothing of its inside shows."""

import hashlib
import mmap
import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from coriolis.agent import digests, frames
from coriolis.agent.digests import Method
from coriolis.agent.frames import Geometry, ProtocolError
from coriolis.agent.gmac import KEY_BYTES, Gmac
from tests.interpreters import interpreters, label
from tests.unit.agent.local_agent import LEAF, LocalAgent

KEY = bytes(range(KEY_BYTES))
SIZE = 5 * LEAF + 1536


def by_the_book(data: bytes, key: bytes = KEY) -> bytes:
    tag = AESGCM(key[:16]).encrypt(bytes(12), b"", data)
    return hashlib.blake2b(tag, key=key[16:], digest_size=16).digest()


@given(st.binary(min_size=1, max_size=5000), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_it_is_what_it_says(data: bytes, key: bytes) -> None:
    assert Gmac(key)(data) == Gmac(key)(memoryview(bytearray(data))) == by_the_book(data, key)


def test_of_a_part_of_a_buffer_in_many_threads() -> None:
    buffer = mmap.mmap(-1, 1 << 20)
    buffer[:] = os.urandom(1 << 20)
    view, function = memoryview(buffer), Gmac(KEY)
    pieces = [(start, start + 65536 - start % 7) for start in range(0, 1 << 20, 65536)]
    found: dict[int, list[bytes]] = {}

    def work(number: int) -> None:
        found[number] = [function(view[start:end]) for start, end in pieces * 20]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = [by_the_book(bytes(view[start:end])) for start, end in pieces] * 20
    assert [found[number] for number in range(4)] == [wanted] * 4


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("gmac", b""), ("gmac-00", KEY[1:]), ("md5", b""), ("sha256-00", b""), ("", b"")],
)
def test_what_is_no_algorithm(algorithm: str, key: bytes) -> None:
    with pytest.raises(ProtocolError, match="no digest algorithm"):
        digests.hasher(algorithm, key)


def test_its_key_does_not_show() -> None:
    method = Method(Geometry(SIZE, LEAF), "gmac-0a-0b", KEY)
    assert KEY.hex() not in f"{method!r} {method}"
    assert repr(KEY) not in f"{method!r} {method}"
    assert Method.ordered(method.geometry, dict(method.orders)) == method


@pytest.mark.parametrize("python", interpreters(), ids=label)
def test_every_interpreter_computes_the_same_or_refuses(python: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    content = os.urandom(3 * LEAF) + bytes(LEAF) + os.urandom(LEAF) + bytes(1536)
    disk.write_bytes(content)
    method = Method(Geometry(SIZE, LEAF), "gmac-0a-0b", KEY)
    agent = LocalAgent(python)
    has_it = "gmac" in agent.hello("hasher", disk, SIZE)["rates"]
    agent.begin(**method.orders)
    if not has_it:  # built without OpenSSL
        assert "no digest algorithm" in agent.error()["message"]
    else:
        leaves = agent.stream.receive_leaves()
        assert agent.stream.receive_json(frames.EOF)["root"] == method.root(leaves)
        starts = range(0, SIZE, LEAF)
        assert leaves == b"".join(by_the_book(content[start : start + LEAF]) for start in starts)
    agent.end()
