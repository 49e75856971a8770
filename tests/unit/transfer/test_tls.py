"""The TLS session between two workers: who is let in, and how they meet."""

import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coriolis.agent import meeting, tls
from coriolis.agent.frames import ProtocolError
from coriolis.agent.meeting import COOKIE_BYTES, Listener, Meeting
from coriolis.agent.tls import Identity, RouteClosedError, RouteError, TlsStream, secured
from coriolis.transfer.certificates import RunAuthority

KNOCK, ANSWER = b"k" * COOKIE_BYTES, b"a" * COOKIE_BYTES
OLD_PYTHONS = sorted(Path("/root/.pyenv/versions").glob("3.[67].*/bin/python3"))


class Side(threading.Thread):
    """One end's handshake; then as many bytes as the test wants."""

    def __init__(self, connection: socket.socket, identity: Identity, *, is_reader: bool) -> None:
        super().__init__()
        self._arguments = (connection, identity, is_reader)
        self.stream: TlsStream | None = None
        self.failure: Exception | None = None
        self.start()

    def run(self) -> None:
        connection, identity, is_reader = self._arguments
        try:
            self.stream = secured(connection, identity, is_reader=is_reader)
            if is_reader:
                self.stream.send(b"first")
            else:
                assert self.stream.read_exactly(5) == b"first"
        except (RouteError, RouteClosedError) as error:
            self.failure = error
            connection.close()


def meet(reader: Identity, writer: Identity) -> tuple[Side, Side]:
    ends = socket.socketpair()
    sides = Side(ends[0], reader, is_reader=True), Side(ends[1], writer, is_reader=False)
    for side in sides:
        side.join(60)
        assert not side.is_alive()
    return sides


def test_reader_and_writer_of_one_run_trust_each_other() -> None:
    authority = RunAuthority()
    reader, writer = meet(authority.reader(), authority.writer())
    assert reader.failure is writer.failure is None
    assert reader.stream
    assert writer.stream
    data = os.urandom(3 << 20)
    sending = threading.Thread(target=reader.stream.send, args=(data[:100], data[100:]))
    sending.start()
    assert writer.stream.wait(10)
    assert writer.stream.read_exactly(len(data)) == data
    sending.join()
    reader.stream.close()
    with pytest.raises(RouteClosedError):
        writer.stream.read_exactly(1)


def test_another_run_is_refused_by_both() -> None:
    one, other = RunAuthority(), RunAuthority()
    reader, writer = meet(one.reader(), other.writer())
    assert isinstance(writer.failure, RouteError)
    assert "CERTIFICATE_VERIFY_FAILED" in str(writer.failure)
    assert reader.failure is not None
    # What the writer's certificate is worth to the reader: this writer trusts the reader's authority.
    mixed = other.writer()._replace(authority=one.reader().authority)
    reader, writer = meet(one.reader(), mixed)
    assert isinstance(reader.failure, RouteError)
    assert writer.failure is not None


@pytest.mark.parametrize("both_are", ["reader", "writer"])
def test_neither_can_pose_as_the_other(both_are: str) -> None:
    authority = RunAuthority()
    identities = [getattr(authority, both_are)() for _ in range(2)]
    sides = meet(*identities)
    assert any(isinstance(side.failure, RouteError) for side in sides)
    assert all(side.failure is not None for side in sides)


def test_an_older_protocol_is_refused() -> None:
    identity = RunAuthority().reader()
    ends = socket.socketpair()
    reader = Side(ends[0], identity, is_reader=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=identity.authority)
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(ends[1], server_hostname="reader")
    reader.join(60)
    assert isinstance(reader.failure, RouteError)


@pytest.mark.parametrize("python", [sys.executable, *map(str, OLD_PYTHONS)])
def test_keys_need_no_file(python: str, tmp_path: Path) -> None:
    """Also where `os.memfd_create` is missing (before 3.8); nothing is written to a directory."""
    identity = RunAuthority().reader()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from coriolis.agent import tls\n"
        "assert tls.supported()\n"
        "parts = sys.stdin.read().split('|')\n"
        "tls._context(tls.Identity(*parts), True)\n"
        "import os; assert not os.listdir('.')\n"
    )
    source = tmp_path / "source"
    empty = tmp_path / "empty"
    empty.mkdir()
    (source / "coriolis").mkdir(parents=True)
    (source / "coriolis/__init__.py").touch()
    (source / "coriolis/agent").symlink_to(Path(tls.__file__).parent)
    done = subprocess.run(
        [python, "-c", script, str(source)],
        input="|".join(identity),
        text=True,
        capture_output=True,
        cwd=empty,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_listener_waits_for_the_one_that_knows_the_cookie() -> None:
    listener = Listener("127.0.0.1", [0, 0], KNOCK, ANSWER)
    with socket.create_connection(("127.0.0.1", listener.port)) as stranger:
        stranger.sendall(b"x" * COOKIE_BYTES)
        assert stranger.recv(1) == b""
    with socket.create_connection(("127.0.0.1", listener.port)):
        pass  # gone at once
    with meeting.dial("127.0.0.1", listener.port, KNOCK, ANSWER, 10) as dialled:
        accepted = listener.connection()
        dialled.sendall(b"hello")
        assert accepted.recv(5) == b"hello"
        accepted.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", listener.port))


def test_something_else_that_answers_is_not_taken_for_the_agent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(COOKIE_BYTES)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian and more...")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(OSError, match="something else answers"):
            meeting.dial("127.0.0.1", server.getsockname()[1], KNOCK, ANSWER, 10)


def wish(**changes: object) -> dict[str, object]:
    base = {"knock": KNOCK.hex(), "answer": ANSWER.hex(), "ports": [0, 0]}
    return {**RunAuthority().reader()._asdict(), **base, **changes}


def test_a_port_that_is_not_wanted_is_closed() -> None:
    arranged = Meeting(is_reader=True)
    port = arranged.arrange(wish())["port"]
    assert arranged.stream(wanted=False) is None
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(
    "changes",
    [
        {"knock": "00"},
        {"answer": "zz"},
        {"ports": [5, 4]},
        {"ports": [-1, 4]},
        {"ports": [1, 70000]},
        {"ports": [1]},
        {"dial": ["127.0.0.1"]},
    ],
)
def test_hostile_wishes_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises((ProtocolError, ValueError)):
        Meeting(is_reader=True).arrange(wish(**changes))


def test_a_dialled_port_that_is_closed_is_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said = Meeting(is_reader=True).arrange(wish(dial=["127.0.0.1", port], seconds=5))
    assert "refused" in said["refused"]
