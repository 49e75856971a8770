"""What the OpenStack services stand on: database, message queue, cache, libvirt. Runs inside."""

import shutil
from pathlib import Path

from coriolis.runner import run
from testbed.openstack.configuration import Configuration, mariadb_socket
from testbed.openstack.daemons import Daemon, Daemons
from testbed.openstack.saying import say
from testbed.openstack.settings import LIBVIRT_SECRET, LOCALHOST, Testbed
from testbed.openstack.waiting import accepts, wait_until

_ERLANG = (
    # one scheduler that does not spin, and the distribution port on the loopback device only
    "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
)
_KEY_XML = """\
<secret ephemeral='no' private='no'>
  <uuid>{uuid}</uuid>
  <usage type='ceph'><name>client.cinder of the testbed</name></usage>
</secret>
"""


class Infrastructure:
    def __init__(self, testbed: Testbed, configuration: Configuration, daemons: Daemons) -> None:
        self._testbed = testbed
        self._configuration = configuration
        self._daemons = daemons

    def start(self) -> None:
        """Does not wait: `wait` does, and Ceph's start fits in between."""
        self._start_mariadb()
        self._start_rabbitmq()
        memcached = ["memcached", "-l", LOCALHOST, "-p", "11211", "-m", "64", "-c", "2048"]
        self._daemons.start(Daemon("memcached", "memcache", memcached))

    def wait(self) -> None:
        wait_until("MariaDB", self._sql_works)
        wait_until("RabbitMQ", lambda: accepts(LOCALHOST, 5672))
        say("MariaDB, RabbitMQ and memcached are up")

    def sql(self, statement: str) -> None:
        run(["mariadb", "--no-defaults", "-S", mariadb_socket(self._testbed), "-u", "root", "-e", statement])

    def start_libvirt(self, ceph_key: str) -> None:
        """`ceph_key` is what QEMU logs in to Ceph with. Needs a running Ceph only when guests start."""
        self._daemons.start(Daemon("virtlogd", "root", ["virtlogd"]))
        self._daemons.start(Daemon("libvirtd", "root", ["libvirtd"]))
        wait_until("libvirtd", lambda: run(["virsh", "version"], check=False).returncode == 0)
        if LIBVIRT_SECRET not in run(["virsh", "-q", "secret-list"]).text:
            xml = self._testbed.etc / "testbed" / "secret.xml"
            xml.write_text(_KEY_XML.format(uuid=LIBVIRT_SECRET))
            run(["virsh", "-q", "secret-define", xml])
        key = self._testbed.etc / "testbed" / "cinder.key"
        key.touch(mode=0o600)
        key.write_text(ceph_key)
        run(["virsh", "-q", "secret-set-value", "--secret", LIBVIRT_SECRET, "--file", key])
        say("libvirt is up")

    def _start_mariadb(self) -> None:
        data = self._testbed.lib / "mariadb"
        if not (data / "mysql").exists():
            say("making the database's files")
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir()
            shutil.chown(data, "mysql", "mysql")
            run(
                [
                    *("mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}"),
                    *("--skip-test-db", "--auth-root-authentication-method=socket"),
                ]
            )
        command = ["mariadbd", f"--defaults-file={self._configuration.mariadb}"]
        self._daemons.start(Daemon("mariadb", "mysql", command))

    def _sql_works(self) -> bool:
        socket = str(mariadb_socket(self._testbed))
        args = ["mariadb", "--no-defaults", "-S", socket, "-u", "root", "-e", "SELECT 1"]
        return run(args, check=False).returncode == 0

    def _start_rabbitmq(self) -> None:
        data = self._testbed.lib / "rabbitmq"
        environment = {
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_CONFIG_FILE": str(self._configuration.rabbitmq),
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOG_BASE": str(data),
            "RABBITMQ_DIST_PORT": "25672",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "ERL_EPMD_ADDRESS": LOCALHOST,
        }
        command = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server")]
        self._daemons.start(Daemon("rabbitmq", "rabbitmq", command, environment))
