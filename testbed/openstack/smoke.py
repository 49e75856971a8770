"""`smoke`: what the tests build on, in a few minutes: guests boot, volumes move, backups restore."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from openstack.exceptions import SDKException

from coriolis.errors import CommandFailed
from coriolis.runner import run
from testbed.openstack.contents import IMAGE, KEY_PAIR
from testbed.openstack.enclosure import Enclosure
from testbed.openstack.registration import connect
from testbed.openstack.saying import TestbedError, say
from testbed.openstack.settings import CLOUDS, Testbed
from testbed.openstack.storage import Storage
from testbed.openstack.waiting import wait_until

_PREFIX = "smoke"
_DATA = "/srv/smoke"
_SECONDS = 900.0
_WRITE = f"""
set -e
test -b /dev/vdb
mkfs.ext4 -q /dev/vdb
mkdir -p {_DATA}
"""
# unmounted again: volumes are compared, and a mounted file system writes when it likes
_ADD = f"""
set -e
mountpoint -q {_DATA} || mount /dev/vdb {_DATA}
dd if=/dev/urandom of={_DATA}/$(cat /proc/sys/kernel/random/uuid) bs=1M count=8 status=none
umount {_DATA}
"""


@contextmanager
def _step(title: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{title}: {time.monotonic() - began:.1f} s")


class Smoke:
    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._cloud = connect(testbed, CLOUDS[0].name)
        self._enclosure = Enclosure(testbed)

    def run_all(self) -> None:
        self.clean()
        try:
            address, server = self._boot()
            volume = self._write(address, server)
            for driver in ("swift", "ceph"):
                self._back_up(driver, address, volume)
        finally:
            self.clean()
        say("smoke test passed")

    def clean(self) -> None:
        """Everything that bears our name; dependents go first, so it takes rounds."""
        cloud = self._cloud
        for ip in cloud.network.ips():
            if ip.description == _PREFIX:
                cloud.network.delete_ip(ip)
        for server in cloud.compute.servers(name=_PREFIX):
            cloud.compute.delete_server(server)
            cloud.compute.wait_for_delete(server, wait=300)
        wait_until("removal of what the smoke test made", self._removed)

    def _removed(self) -> bool:
        storage = self._cloud.block_storage
        left = False
        for listing, delete in (
            (storage.backups, storage.delete_backup),
            (storage.volumes, storage.delete_volume),
        ):
            for item in listing():
                if (item.name or "").startswith(_PREFIX):
                    left = True
                    if item.status != "deleting":
                        _unless_refused(lambda delete=delete, item=item: delete(item))  # type: ignore[misc]
        return not left

    def _boot(self) -> tuple[str, Any]:
        cloud, network = self._cloud, self._cloud.network
        flavor, image = cloud.compute.find_flavor("t.small"), cloud.image.find_image(IMAGE)
        own, public = network.find_network(CLOUDS[0].network), network.find_network("public")
        with _step("a server from the image"):
            server = cloud.compute.create_server(
                name=_PREFIX,
                flavor_id=flavor.id,
                image_id=image.id,
                key_name=KEY_PAIR,
                networks=[{"uuid": own.id}],
            )
            server = cloud.compute.wait_for_server(server, wait=600)
            port = next(iter(network.ports(device_id=server.id)))
            address = network.create_ip(
                floating_network_id=public.id, port_id=port.id, description=_PREFIX
            ).floating_ip_address
        with _step(f"the guest boots and answers at {address}"):
            wait_until("SSH", lambda: self._ssh(address, "true") is not None, _SECONDS)
        return address, server

    def _write(self, address: str, server: Any) -> Any:
        cloud = self._cloud
        with _step("a volume is attached, formatted and written"):
            volume = cloud.block_storage.create_volume(name=f"{_PREFIX}-data", size=1)
            cloud.block_storage.wait_for_status(volume, "available", ["error"], 1, 300)
            cloud.compute.create_volume_attachment(server, volume_id=volume.id)
            cloud.block_storage.wait_for_status(volume, "in-use", ["error"], 1, 300)
            wait_until("the disk in the guest", lambda: self._ssh(address, _WRITE) is not None)
        return volume

    def _back_up(self, driver: str, address: str, volume: Any) -> None:
        """Full and incremental backup of the attached volume; what is restored must be what was backed up."""
        storage = self._cloud.block_storage
        self._enclosure.work(f"backups_{driver}")
        wait_until("the guest's writes", lambda: self._ssh(address, _ADD) is not None)
        with _step(f"full backup to {driver}"):
            full = self._backup(f"{_PREFIX}-{driver}-full", volume, incremental=False)
        wait_until("the guest's writes", lambda: self._ssh(address, _ADD) is not None)
        with _step(f"incremental backup to {driver}"):
            more = self._backup(f"{_PREFIX}-{driver}-incremental", volume, incremental=True)
        with _step("restored and compared"):
            restored = storage.create_volume(name=f"{_PREFIX}-{driver}-restored", size=1)
            storage.wait_for_status(restored, "available", ["error"], 1, 300)
            storage.restore_backup(more.id, volume_id=restored.id)
            wait_until(
                "the restoration",
                lambda: (
                    storage.get_volume(restored.id).status == "available"
                    and storage.get_backup(more.id).status == "available"
                ),
            )
            here, there = self._digest(volume.id), self._digest(restored.id)
        if here != there:
            raise TestbedError(f"the volume restored from {driver} differs from the original")
        for backup in (more, full):
            storage.delete_backup(backup.id)
            wait_until("the backup's end", lambda id_=backup.id: not _exists(storage, id_))  # type: ignore[misc]
        self._enclosure.work("backups_swift")

    def _backup(self, name: str, volume: Any, *, incremental: bool) -> Any:
        storage = self._cloud.block_storage
        made = storage.create_backup(name=name, volume_id=volume.id, force=True, is_incremental=incremental)
        return storage.wait_for_status(made, "available", ["error"], 1, 600)

    def _digest(self, volume: str) -> str:
        return Storage(self._testbed).digest(f"volumes/volume-{volume}")

    def _ssh(self, address: str, script: str) -> str | None:
        """What it printed; None when it failed."""
        options = ["BatchMode=yes", "ConnectTimeout=10", "StrictHostKeyChecking=no"]
        options += ["UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        words = [word for option in options for word in ("-o", option)]
        command = [
            "ssh",
            "-F",
            "/dev/null",
            *words,
            "-i",
            str(self._testbed.key),
            f"debian@{address}",
            "sudo sh -s",
        ]
        try:
            return run(command, stdin=script.encode(), timeout=120).text
        except CommandFailed:
            return None


def run_all(testbed: Testbed) -> None:
    Smoke(testbed).run_all()


def _unless_refused(ask: Callable[[], object]) -> None:
    """A thing that still has dependents is asked again in the next round."""
    try:
        ask()
    except SDKException:
        return


def _exists(storage: Any, backup: str) -> bool:
    return any(found.id == backup for found in storage.backups())
