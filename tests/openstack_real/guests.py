"""The servers that cross: what they are made of on cloud A, and what their owner does in them."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.guest import Guest

LEDGER, ARCHIVE = "/srv/data/ledger.bin", "/srv/data/archive.bin"
MIB, GIB = 1 << 20, 1 << 30
BOOT_SECONDS = 1800.0  # a busy machine under TCG


@dataclass(frozen=True)
class GuestKind:
    """`local`: booted from an image, the system on a disk of the hypervisor; else from a volume. All have a
    data volume. `address`: in the network of its project, outside of what Neutron gives out by itself."""

    name: str
    image: str
    address: str
    local: bool = False


VOLUME_BOOTED = GuestKind("web-volume", "debian-12", "10.61.0.231")
IMAGE_BOOTED = GuestKind("web-image", "debian-12", "10.61.0.232", local=True)
UEFI = GuestKind("web-uefi", "debian-12-uefi", "10.61.0.233")

# A file system on the second disk, mounted for changes only: what is compared with its replica must stand still.
_PREPARE = f"""
set -e
for i in $(seq 120); do [ -b /dev/vdb ] && break; sleep 1; done
mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 -L data /dev/vdb
udevadm settle
mkdir -p /srv/data
grep -q LABEL=data /etc/fstab || echo 'LABEL=data /srv/data ext4 defaults,noatime,noauto 0 2' >>/etc/fstab
mount /srv/data
dd if=/dev/urandom of={LEDGER} bs=1M count=48 status=none
dd if=/dev/urandom of={ARCHIVE} bs=1M count=48 status=none
umount /srv/data
sync
"""
SYSTEM_GIB = 2  # also the disk of the flavor, which is the system disk of a guest that boots from an image
_DATA_GIB = 1


class SourceGuest:
    """One server on cloud A with two disks, and a shell in it."""

    def __init__(self, cloud: Any, kind: GuestKind, testbed: dict[str, Any]) -> None:
        self.kind = kind
        self._cloud = cloud
        self._testbed = testbed
        self.server: Any = None
        self.data: Any = None
        self.gibibytes = _DATA_GIB  # of the data volume
        self._boot: Any = None
        self.guest: Guest | None = None
        self.ledger = ""  # SHA-256 of the file that changes
        self._fresh = False

    def adopt(self) -> bool:
        """Takes the guest of an earlier run as it is; False when there is none."""
        server = self._cloud.compute.find_server(self.kind.name)
        addresses = [ip for ip in self._cloud.network.ips() if ip.description == self.kind.name]
        if server is None or not addresses:
            return False
        volumes = {volume.name: volume for volume in self._cloud.block_storage.volumes()}
        self.server = self._cloud.compute.get_server(server)
        self.data, self._boot = (volumes.get(f"{self.kind.name}-{role}") for role in ("data", "boot"))
        if self.data is not None:
            self.gibibytes = self.data.size
        self.guest = self._shell(str(addresses[0].floating_ip_address))
        return True

    def create(self) -> None:
        """Returns when the server runs, which is before its system answers."""
        cloud, kind = self._cloud, self.kind
        self.remove()
        image, flavor = cloud.image.find_image(kind.image), cloud.compute.find_flavor("t.small")
        network = cloud.network.find_network(self._testbed["clouds"][0]["network"])
        storage = cloud.block_storage
        wanted: dict[str, Any] = {"image_id": image.id}
        if not kind.local:
            self._boot = storage.create_volume(name=f"{kind.name}-boot", size=SYSTEM_GIB, image_id=image.id)
            storage.wait_for_status(self._boot, "available", ["error"], 1, 600)
            boot = {
                "boot_index": 0,
                "uuid": self._boot.id,
                "source_type": "volume",
                "destination_type": "volume",
            }
            wanted = {"block_device_mapping": [boot]}
        server = cloud.compute.create_server(
            name=kind.name,
            flavor_id=flavor.id,
            key_name=self._testbed["key_pair"],
            networks=[{"uuid": network.id, "fixed_ip": kind.address}],
            **wanted,
        )
        self.server = cloud.compute.wait_for_server(server, wait=600)
        self.guest = self._shell(self._floating_address())

    def with_data(self) -> None:
        """Whatever is on the data volume, as long as there is one."""
        if self.data is None:
            self.renew_data()

    def with_fresh_data(self) -> None:
        if not self._fresh:
            self.renew_data()

    def renew_data(self) -> None:
        """A new data volume with two new files. Boots the guest if it is off."""
        self.start()
        storage, compute = self._cloud.block_storage, self._cloud.compute
        if self.data is not None:
            compute.delete_volume_attachment(self.server, self.data.id)
            storage.wait_for_status(self.data, "available", ["error"], 1, 300)
            self._delete_volume(self.data)
        self.gibibytes = _DATA_GIB
        self.data = storage.create_volume(name=f"{self.kind.name}-data", size=_DATA_GIB)
        storage.wait_for_status(self.data, "available", ["error"], 1, 300)
        compute.create_volume_attachment(self.server, volume_id=self.data.id)
        storage.wait_for_status(self.data, "in-use", ["error"], 1, 300)
        self._root(_PREPARE)
        self.ledger, self._fresh = self._digest(), True

    def change_file(self, mebibytes: int) -> None:
        self._fresh = False
        self._in_data(f"dd if=/dev/urandom of={LEDGER} bs=1M count={mebibytes} conv=notrunc status=none")
        self.ledger = self._digest()

    def delete_file(self) -> None:
        self._fresh = False
        self._in_data(f"rm {ARCHIVE}")

    def grow_data(self, gibibytes: int) -> None:
        """The volume, while it is attached, and the file system on it."""
        self.gibibytes, self._fresh = gibibytes, False
        storage = self._cloud.block_storage
        storage.default_microversion = "3.42"  # the first that extends attached volumes
        storage.extend_volume(self.data.id, gibibytes)
        deadline = time.monotonic() + 300
        while storage.get_volume(self.data.id).size != gibibytes:
            assert time.monotonic() < deadline, "the volume does not grow"
            time.sleep(1)
        bytes_wanted = gibibytes * GIB
        grown = f"[ $(blockdev --getsize64 /dev/vdb) -ge {bytes_wanted} ]"
        self._root(f"for i in $(seq 60); do {grown} && break; sleep 1; done; {grown}")
        self._in_data("resize2fs $(findmnt -n -o SOURCE /srv/data) 2>/dev/null")

    def disks(self) -> list[str]:
        """RBD images in boot order."""
        boot = f"vms/{self.server.id}_disk" if self.kind.local else f"volumes/volume-{self._boot.id}"
        return [boot, f"volumes/volume-{self.data.id}"]

    def start(self) -> None:
        """Returns when its system answers."""
        if self._cloud.compute.get_server(self.server.id).status == "SHUTOFF":
            self._cloud.compute.start_server(self.server.id)
            self._cloud.compute.wait_for_server(self.server, wait=300)
        assert self.guest is not None
        self.guest.wait(BOOT_SECONDS)

    def remove(self) -> None:
        """Everything that bears the guest's name; safe to call again."""
        cloud = self._cloud
        for ip in cloud.network.ips():
            if ip.description == self.kind.name:
                cloud.network.delete_ip(ip)
        for server in cloud.compute.servers(name=f"^{self.kind.name}$"):
            cloud.compute.delete_server(server)
            cloud.compute.wait_for_delete(server, wait=300)
        for volume in cloud.block_storage.volumes():
            if volume.name in (f"{self.kind.name}-boot", f"{self.kind.name}-data"):
                self._delete_volume(volume)

    def _delete_volume(self, volume: Any) -> None:
        """With what a run that broke off left of it: what was made last goes first, since it may lie on the earlier."""
        storage = self._cloud.block_storage
        for listing, delete in (
            (storage.backups, storage.delete_backup),
            (storage.snapshots, storage.delete_snapshot),
        ):
            made = [item for item in listing(details=True) if item.volume_id == volume.id]
            for item in sorted(made, key=lambda item: str(item.created_at), reverse=True):
                delete(item)
                storage.wait_for_delete(item, wait=300)
        storage.delete_volume(volume)
        storage.wait_for_delete(volume, wait=300)

    def _shell(self, address: str) -> Guest:
        return Guest(address, self._testbed["image_user"], Path(self._testbed["key"]))

    def _digest(self) -> str:
        return self._in_data(f"sha256sum {LEDGER}").split()[0]

    def _in_data(self, script: str) -> str:
        return self._root(
            f"set -e\nmountpoint -q /srv/data || mount /srv/data\n{script}\numount /srv/data\nsync"
        )

    def _root(self, script: str) -> str:
        assert self.guest is not None
        return self.guest.run(f"sudo sh -s <<'SCRIPT'\n{script}\nSCRIPT", timeout=600)

    def _floating_address(self) -> str:
        network = self._cloud.network
        public = network.find_network(self._testbed["external_network"])
        port = next(iter(network.ports(device_id=self.server.id)))
        made = network.create_ip(floating_network_id=public.id, port_id=port.id, description=self.kind.name)
        return str(made.floating_ip_address)
