"""PostgreSQL (Debian: postgresql)."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.services.server import HOST, Server, ServerError


class PostgreSql(Server):
    name = "postgresql"
    user = "postgres"

    def __init__(self, *, durable: bool = False) -> None:
        """`durable` as of MariaDb."""
        super().__init__()
        self._durable = durable
        self._programs = _programs()

    def prepare(self) -> None:
        password_file = self.directory / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        self._own(password_file)
        self.run(
            [
                str(self._programs / "initdb"),
                f"--pgdata={self.directory / 'data'}",
                f"--username={self.username}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]
        )

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "shared_buffers": "64MB",
            "fsync": "on" if self._durable else "off",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.directory / "data"), *options]

    def answers(self) -> bool:
        try:
            psycopg.connect(self._administration(), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # ends sessions; SIGTERM would wait for them

    def new_database(self) -> str:
        """An empty one; returns its URL."""
        name = self.next_database_name()
        with psycopg.connect(self._administration(), autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.username}:{self.password}@{HOST}:{self.port}/{database}"

    def _administration(self) -> str:
        return f"postgresql://{self.username}:{self.password}@{HOST}:{self.port}/postgres"


def _programs() -> Path:
    """The newest version of Debian's, which are not on the path."""
    found = [
        path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if os.access(path, os.X_OK)
    ]
    if not found:
        raise ServerError("postgresql is not installed: run scripts/setup")
    return max(found, key=lambda path: float(path.parent.name))
