"""The servers start as whoever runs the tests, keep their data over a death, and die with their starter."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from kombu.connection import Connection

from tests.services import MariaDb, PostgreSql, RabbitMq, Redis

_TIMEOUT = 60.0


@pytest.mark.parametrize("kind", [MariaDb, PostgreSql])
def test_a_database_server_keeps_what_was_committed(kind: type[MariaDb] | type[PostgreSql]) -> None:
    with kind() as server:
        url, other = server.new_database(), server.new_database()
        assert url != other
        engine = sa.create_engine(url, pool_pre_ping=True)
        with engine.begin() as connection:
            connection.exec_driver_sql("create table t (n integer)")
            connection.exec_driver_sql("insert into t values (7)")
        for end in (server.kill, server.stop):
            end()
            assert not server.answers()
            server.start()
            with engine.begin() as connection:
                assert connection.exec_driver_sql("select n from t").scalar() == 7
        server.pause()
        server.resume()
        assert server.answers()
        engine.dispose()
        directory = server.directory
    assert not directory.exists()


def test_a_broker_comes_back_and_has_room_for_each_test() -> None:
    with RabbitMq() as server:
        for url in (server.url, server.new_vhost()):
            with Connection(url.replace("rabbit://", "amqp://")) as connection:
                connection.ensure_connection(max_retries=3)
        server.kill()
        server.start()
        with Connection(server.url.replace("rabbit://", "amqp://")) as connection:
            queue = connection.SimpleQueue("q")
            queue.put("hello")
            assert queue.get(timeout=_TIMEOUT).payload == "hello"
            queue.close()


def test_redis_keeps_its_keys() -> None:
    import redis

    with Redis() as server:
        client = redis.Redis.from_url(server.new_database())
        client.set("k", "v")
        server.kill()
        server.start()
        assert client.get("k") == b"v"
        client.close()
        assert redis.Redis.from_url(server.new_database()).get("k") is None


@pytest.mark.parametrize("kind", ["MariaDb", "PostgreSql", "RabbitMq", "Redis"])
def test_a_server_dies_with_its_starter(kind: str) -> None:
    code = (
        f"import threading, time; from tests.services import {kind}; s = {kind}()\n"
        "t = threading.Thread(target=s.start); t.start(); t.join()\n"  # the thread's end must not end it
        "print(s.pid, s.port, s.directory, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert starter.stdout is not None
    pid, port, directory = starter.stdout.readline().split()
    time.sleep(0.3)
    assert _alive(int(pid))
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + _TIMEOUT
    while _alive(int(pid)) or _holders(directory) or Path(directory).exists():
        assert time.monotonic() < deadline, (kind, pid, port, _holders(directory))
        time.sleep(0.1)
        shutil.rmtree(directory, ignore_errors=True)  # threads of a dead process may write a moment longer


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _holders(directory: str) -> list[str]:
    """Processes that work in the directory: helpers and port mappers too."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(link.readlink()).startswith(directory) and _alive(int(link.parent.name)):
                found.append(link.parent.name)
        except OSError:
            continue
    return found


def test_everybody_can_reach_only_loopback(redis: Redis) -> None:
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listening.splitlines() if f":{redis.port} " in line]
    assert lines
    assert all("127.0.0.1:" in line for line in lines), lines
    assert os.getpid() != redis.pid
