"""Redis (Debian: redis-server), for TaskFlow's stock jobboard."""

from collections.abc import Sequence

import redis

from tests.services.server import HOST, Server, ServerError

_DATABASES = 1024


class Redis(Server):
    name = "redis"

    def prepare(self) -> None:
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.directory),
            "requirepass": self.password,
            "databases": str(_DATABASES),
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "no",  # outlives the server's death, not the machine's
            "daemonize": "no",
        }
        path = self.directory / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))

    def command(self) -> Sequence[str]:
        return ["redis-server", str(self.directory / "redis.conf")]

    def answers(self) -> bool:
        """Not while it loads what an earlier life wrote."""
        try:
            with redis.Redis(host=HOST, port=self.port, password=self.password, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def new_database(self) -> str:
        """An empty one; returns its URL."""
        self.next_database_name()
        if self._databases >= _DATABASES:
            raise ServerError(f"redis has {_DATABASES} databases, all taken")
        return self.url(self._databases)

    def url(self, number: int) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/{number}"
