"""The real cloud as the tests know it: how Coriolis logs in, what is left there, and Ceph's view of the disks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.source import left_behind, made_by_coriolis
from openstack.exceptions import ResourceFailure
from testbed.openstack.contents import describe
from testbed.openstack.enclosure import Enclosure
from testbed.openstack.registration import connect
from testbed.openstack.settings import Testbed
from testbed.openstack.storage import Storage

_TRIED = "tried-out"
_SECONDS = 300


class RealCloud:
    """One of the two projects. `connection_info` is what its user would store as an endpoint."""

    def __init__(self, testbed: Testbed, number: int) -> None:
        self.described = describe(testbed)
        self.project: dict[str, Any] = self.described["clouds"][number]
        self.sdk = connect(testbed, self.project["project"])
        self.storage = Storage(testbed)
        self.connection_info: dict[str, Any] = {
            "identity_api_version": 3,
            "auth_url": self.described["auth_url"],
            "username": self.project["username"],
            "password": self.project["password"],
            "project_name": self.project["project"],
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "region_name": self.described["region"],
        }

    def with_ceph(self, pool: str) -> dict[str, Any]:
        """The connection info of somebody who may read Ceph itself."""
        ceph = self.described["ceph"]
        options = {
            "ceph_conf_file": Path(ceph["conf_file"]).read_text(),
            "ceph_username": ceph["username"],
            "ceph_keyring_file": Path(ceph["keyring_file"]).read_text(),
            "ceph_pool_name": pool,
        }
        return {**self.connection_info, "ceph_options": options}

    def left_behind(self) -> list[str]:
        """Everything that Coriolis made and that is still there, kept on purpose or not."""
        names = [backup.name for backup in self.sdk.block_storage.backups()]
        names += [image.name for image in self.sdk.image.images()]
        names += [address.description for address in self.sdk.network.ips()]  # they have no names
        return sorted([*left_behind(self.sdk), *(name for name in names if made_by_coriolis(name or ""))])


class Operator:
    """What the owner of the whole cloud does to it, and undoes."""

    def __init__(self, testbed: Testbed) -> None:
        self._enclosure = Enclosure(testbed)
        self._sdk = connect(testbed)
        self._password = testbed.password
        self._tenant = connect(testbed, describe(testbed)["clouds"][0]["project"])
        self._backups: str | None = None  # not known at first

    def use_backups(self, driver: str) -> None:
        if driver != self._backups:
            self._enclosure.work(f"backups_{driver}")
            self._try_out_backups()
            self._backups = driver

    def _try_out_backups(self) -> None:
        """In project A, where Coriolis takes the newest backup for a sign of where backups go."""
        storage = self._tenant.block_storage
        volume = storage.find_volume(_TRIED) or storage.create_volume(name=_TRIED, size=1)
        storage.wait_for_status(volume, "available", ["error"], interval=1, wait=_SECONDS)
        deadline = time.monotonic() + _SECONDS
        while True:
            backup = storage.create_backup(name=_TRIED, volume_id=volume.id)
            try:
                storage.wait_for_status(backup, "available", ["error"], interval=1, wait=_SECONDS)
            except ResourceFailure:  # cinder-scheduler does not know of the new cinder-backup yet
                if time.monotonic() > deadline:
                    raise
                storage.delete_backup(backup)
                time.sleep(5)
            else:
                return

    def revoke_tokens(self, user: str) -> None:
        """A password that is set anew, be it to the same, ends all tokens of the user."""
        identity = self._sdk.identity
        identity.update_user(identity.find_user(user).id, password=self._password)

    @contextmanager
    def little_room(self, project: str, resource: str) -> Iterator[None]:
        """One more of Cinder's `resource` ("volumes", "gigabytes"...) is what the project may have meanwhile. Cinder
        takes no limit below what there is."""
        storage, owner = self._sdk.block_storage, self._sdk.identity.find_project(project)
        quota = storage.get_quota_set(owner, usage=True)
        storage.update_quota_set(owner, **{resource: quota.usage[resource] + 1})
        try:
            yield
        finally:
            storage.update_quota_set(owner, **{resource: quota[resource]})


def job_of(name: str) -> str:
    """The part of a resource's name that tells the job: `coriolis-<8 of the job's id>-...`."""
    return "-".join(name.split("-", 2)[:2])
