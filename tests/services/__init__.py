"""Private database, broker and jobboard servers for tests, chaos and benchmarks: loopback, free ports, a directory
of their own, gone with the process that started them.

    with MariaDb() as server:
        url = server.new_database()
        server.pause(); server.resume(); server.kill(); server.start()

Nothing here imports pytest; its fixtures are in `tests.services.fixtures`.
"""

from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql
from tests.services.rabbitmq import RabbitMq
from tests.services.redis import Redis
from tests.services.server import Server, ServerError

__all__ = ["MariaDb", "PostgreSql", "RabbitMq", "Redis", "Server", "ServerError"]
