"""MariaDB (Debian: mariadb-server)."""

import getpass
import os
from collections.abc import Sequence

import pymysql

from tests.services.server import HOST, Server


class MariaDb(Server):
    name = "mariadb"

    def __init__(self, *, durable: bool = False) -> None:
        """`durable`: every commit reaches the disk, as in production; without it a commit outlives the server's
        death but not the machine's."""
        super().__init__()
        self._durable = durable

    def prepare(self) -> None:
        self.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                *self._whoami(),
                f"--datadir={self.directory / 'data'}",
                self._temporary_files(),
                "--auth-root-authentication-method=socket",
                f"--auth-root-socket-user={getpass.getuser()}",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            ]
        )

    def command(self) -> Sequence[str]:
        return [
            "mariadbd",
            "--no-defaults",
            *self._whoami(),
            f"--datadir={self.directory / 'data'}",
            self._temporary_files(),
            f"--socket={self._socket}",
            f"--pid-file={self.directory / 'pid'}",
            f"--bind-address={HOST}",
            f"--port={self.port}",
            "--skip-name-resolve",
            "--max-connections=500",
            "--innodb-buffer-pool-size=128M",
            "--innodb-log-file-size=16M",
            f"--innodb-flush-log-at-trx-commit={1 if self._durable else 2}",
            "--innodb-use-native-aio=0",  # io_uring is forbidden in many containers
            "--performance-schema=off",
        ]

    def started(self) -> None:
        self._administer(
            f"create user if not exists '{self.username}'@'%' identified by '{self.password}'",
            f"grant all on *.* to '{self.username}'@'%'",
        )

    def new_database(self) -> str:
        """An empty one; returns its URL."""
        name = self.next_database_name()
        self._administer(f"create database {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"mysql+pymysql://{self.username}:{self.password}@{HOST}:{self.port}/{database}"

    def _administer(self, *statements: str) -> None:
        connection = pymysql.connect(unix_socket=str(self._socket), user=getpass.getuser())
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _temporary_files(self) -> str:
        """Not in /tmp: a server that starts there removes the temporary tables of all others."""
        return f"--tmpdir={self.directory}"

    @property
    def _socket(self) -> str:
        return str(self.directory / "socket")

    def _whoami(self) -> list[str]:
        return ["--user=root"] if os.getuid() == 0 else []
