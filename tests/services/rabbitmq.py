"""RabbitMQ (Debian: rabbitmq-server), with its own port mapper, so that it neither needs nor disturbs another
broker's."""

import subprocess
from collections.abc import Mapping, Sequence

from tests.services.server import HOST, Server, free_port

_PROGRAMS = "/usr/lib/rabbitmq/bin"  # those of /usr/sbin insist on the packaged directories and user


class RabbitMq(Server):
    name = "rabbitmq"

    def __init__(self) -> None:
        super().__init__()
        self.vhost = "coriolis"
        self._mapper_port = free_port()
        self._distribution_port = free_port()
        self._mapper: subprocess.Popen[bytes] | None = None
        self._node = f"coriolis-{self.port}@localhost"

    @property
    def url(self) -> str:
        """As `[messaging] transport_url`."""
        return self.url_of(self.vhost)

    def new_vhost(self) -> str:
        """An empty broker for one test (takes seconds); returns its URL."""
        name = self.next_database_name()
        self.add_vhost(name)
        return self.url_of(name)

    def add_vhost(self, name: str) -> None:
        self._control("add_vhost", name)
        self._control("set_permissions", "-p", name, self.username, ".*", ".*", ".*")

    def url_of(self, vhost: str) -> str:
        return f"rabbit://{self.username}:{self.password}@{HOST}:{self.port}/{vhost}"

    def prepare(self) -> None:
        settings = {
            "listeners.tcp.1": f"{HOST}:{self.port}",
            "default_user": self.username,
            "default_pass": self.password,
            "default_vhost": self.vhost,
            "default_permissions.configure": ".*",
            "default_permissions.read": ".*",
            "default_permissions.write": ".*",
            "log.console": "true",
            "log.file": "false",
            "vm_memory_high_watermark.absolute": "512MB",
            "disk_free_limit.absolute": "10MB",
        }
        lines = [f"{key} = {value}" for key, value in settings.items()]
        self._write("rabbitmq.conf", "\n".join(lines) + "\n")
        self._write("enabled_plugins", "[].\n")
        self._write("rabbitmq-env.conf", "")

    def start(self) -> None:
        if self._mapper is None or self._mapper.poll() is not None:
            command = ["epmd", "-port", str(self._mapper_port), "-address", HOST]
            self._mapper = self.spawn(command, {})
        super().start()

    def command(self) -> Sequence[str]:
        return [f"{_PROGRAMS}/rabbitmq-server", "-noinput"]

    def environment(self) -> Mapping[str, str]:
        directory = self.directory
        return {
            "HOME": str(directory),  # where the cookie is
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_BASE": str(directory),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(directory / "schema"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_ALLOW_INPUT": "1",  # makes the script become the broker rather than its parent
            # no schedulers that wait in a busy loop: others need the machine
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def close(self) -> None:
        self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()
        super().close()

    def _control(self, *arguments: str) -> None:
        self.run([f"{_PROGRAMS}/rabbitmqctl", "-n", self._node, *arguments], self.environment())

    def _write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)
