"""The databases and what the services' own tools put into them, once. Runs inside."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from coriolis.runner import run
from testbed.openstack.configuration import Configuration
from testbed.openstack.infrastructure import Infrastructure
from testbed.openstack.saying import say
from testbed.openstack.settings import KEYSTONE, REGION, Testbed

_DATABASES = ("keystone", "glance", "placement", "nova", "nova_api", "nova_cell0", "neutron", "cinder")
_ML2 = "/etc/neutron/plugins/ml2/ml2_conf.ini"
_SECONDS = 900.0


class Schemas:
    def __init__(
        self, testbed: Testbed, configuration: Configuration, infrastructure: Infrastructure
    ) -> None:
        self._testbed = testbed
        self._configuration = configuration
        self._infrastructure = infrastructure

    def make(self) -> None:
        """Each database's tools run one after the other, the databases side by side."""
        done = self._testbed.done / "schemas"
        if done.exists():
            return
        say("making the schemas of the services' databases")
        for name in _DATABASES:
            self._infrastructure.sql(
                f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8;"
                f"GRANT ALL ON {name}.* TO 'openstack'@'%' IDENTIFIED BY '{self._testbed.password}'"
            )
        lanes: list[Callable[[], None]] = [self._keystone, self._neutron, self._nova, self._others]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for lane in [pool.submit(lane) for lane in lanes]:
                lane.result()
        done.touch()
        say("the schemas are there")

    @staticmethod
    def _as(user: str, *command: str) -> None:
        run(["runuser", "-u", user, "--", *command], timeout=_SECONDS)

    def _keystone(self) -> None:
        for name in ("fernet-keys", "credential-keys"):  # the package makes them, or not, by its version
            directory = Path("/etc/keystone", name)
            directory.mkdir(mode=0o700, exist_ok=True)
            shutil.chown(directory, "keystone", "keystone")
        self._as("keystone", "keystone-manage", "db_sync")
        owner = ["--keystone-user", "keystone", "--keystone-group", "keystone"]
        run(["keystone-manage", "fernet_setup", *owner])
        run(["keystone-manage", "credential_setup", *owner])
        urls = [f"--bootstrap-{interface}-url" for interface in ("admin", "internal", "public")]
        run(
            [
                *("runuser", "-u", "keystone", "--", "keystone-manage", "bootstrap"),
                *(word for url in urls for word in (url, KEYSTONE.url)),
                *("--bootstrap-region-id", REGION),
            ],
            env={"OS_BOOTSTRAP_PASSWORD": self._testbed.password},
        )

    def _neutron(self) -> None:
        files = ["--config-file", "/etc/neutron/neutron.conf", "--config-file", _ML2]
        self._as("neutron", "neutron-db-manage", *files, "upgrade", "heads")

    def _nova(self) -> None:
        cell0 = self._configuration.database_url("nova_cell0")
        self._as("nova", "nova-manage", "api_db", "sync")
        self._as("nova", "nova-manage", "cell_v2", "map_cell0", "--database_connection", cell0)
        self._as("nova", "nova-manage", "db", "sync")
        listed = run(["runuser", "-u", "nova", "--", "nova-manage", "cell_v2", "list_cells"]).text
        if "cell1" not in listed:
            self._as("nova", "nova-manage", "cell_v2", "create_cell", "--name", "cell1")

    def _others(self) -> None:
        self._as("placement", "placement-manage", "db", "sync")
        self._as("glance", "glance-manage", "db_sync")
        self._as("cinder", "cinder-manage", "db", "sync")
