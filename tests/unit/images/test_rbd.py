"""RBD images on a Ceph cluster of our own, and the exports that read them."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, cast

import pytest

from coriolis.agent.disk import DeviceError, Extent
from coriolis.agent.fence import FencedError
from coriolis.errors import CloudError, NotSupported
from coriolis.images import ceph
from coriolis.images.rbd import RbdParameters
from coriolis.images.registry import Opening, open_image
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk as InstanceDisk
from coriolis.model.secret import Secret
from coriolis.providers.openstack.ceph_options import CephOptions
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.ceph import CephAccess
from coriolis.runner import run
from tests.unit.handed import handed_over
from tests.unit.images.private_ceph import PrivateCeph

MIB = 1 << 20
SIZE = 64 * MIB
READER, WRITER = Opening("reader", "scope", 1), Opening("writer", "scope", 1)


class Pool:
    """One image in a pool of the cluster, and what arranges it."""

    def __init__(self, cluster: PrivateCeph, pool: str, rbd: Any, context: Any) -> None:
        self.cluster = cluster
        self.pool = pool
        self.rbd = rbd
        self.context = context
        self.volume = str(uuid.uuid4())
        self.name = f"volume-{self.volume}"
        rbd.RBD().create(context, self.name, SIZE)

    @contextmanager
    def image(self) -> Iterator[Any]:
        with self.rbd.Image(self.context, self.name) as image:
            yield image

    def disk(self, snapshot: str | None = None, since: str | None = None, **changes: Any) -> ImageDisk:
        access = ceph.CephCluster(self.cluster.conf, "admin", timeout=10)
        parameters = RbdParameters(access, self.pool, self.name, snapshot=snapshot, since=since)
        point = None if since is None else "the last run"
        secrets = {"key": Secret(self.cluster.key)}
        given = {**asdict(parameters), **changes}
        image = ImageDisk(self.volume, SIZE, "rbd", given, secrets, since=point)
        return handed_over(image)


@pytest.fixture
def pool(cluster: PrivateCeph) -> Iterator[Pool]:
    access = ceph.CephCluster(cluster.conf, "admin")
    with ceph.connected(access, Secret(cluster.key)) as connection:
        context = connection.open_ioctx("volumes")
        yield Pool(cluster, "volumes", ceph.binding("rbd"), context)
        context.close()


def read(disk: Any, offset: int, length: int) -> bytes:
    buffer = bytearray(MIB)
    disk.open().read(offset, length, memoryview(buffer))
    return bytes(buffer[:length])


def test_a_snapshot_and_what_changed_since_another(pool: Pool) -> None:
    noise = random.Random(1).randbytes(8 * MIB)  # noqa: S311 - test data
    with pool.image() as image:
        image.write(noise, 0)
        image.create_snap("one")
        image.write(b"new" * 1000, 40 * MIB)
        image.discard(4 * MIB, 4 * MIB)
        image.create_snap("two")
        image.write(b"later", 0)
    disk = open_image(pool.disk("two", "one"), READER)
    assert disk.size == SIZE
    assert sorted(disk.changes("the last run") or ()) == [
        Extent(4 * MIB, 4 * MIB, zero=True),
        Extent(40 * MIB, 3000),
    ]
    assert sorted(disk.changes(None) or ()) == [Extent(0, 4 * MIB), Extent(40 * MIB, 3000)]
    assert disk.changes("another run") is None
    assert read(disk, 0, MIB) == noise[:MIB]
    assert read(disk, 40 * MIB, 6) == b"newnew"
    assert read(disk, 4 * MIB, MIB) == bytes(MIB)
    disk.close()
    gone = open_image(pool.disk("two", "zero"), READER)
    assert gone.changes("the last run") is None
    gone.close()


def test_writing(pool: Pool) -> None:
    disk = open_image(pool.disk(), WRITER)
    handle = disk.open()
    handle.write(3 * MIB, memoryview(b"x" * MIB))
    handle.zero(3 * MIB + 4096, 8192)
    disk.flush()
    disk.close()
    with pool.image() as image:
        assert image.read(3 * MIB, MIB) == b"x" * 4096 + bytes(8192) + b"x" * (MIB - 12288)


def test_a_later_writer_shuts_an_earlier_one_out(pool: Pool) -> None:
    """Though each is a client of its own, perhaps on another host."""
    early = open_image(pool.disk(), WRITER)
    late = open_image(pool.disk(), replace(WRITER, token=2))
    late.open().write(0, memoryview(b"late"))
    late.flush()

    def write_early() -> None:
        early.open().write(0, memoryview(b"early"))
        early.flush()

    with pytest.raises(FencedError):
        write_early()
    with pytest.raises(FencedError, match="token 1 is older than 2"):
        open_image(pool.disk(), WRITER)
    assert read(late, 0, 4) == b"late"
    late.close()
    early.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"image": "volume-of-nobody"}, "volume-of-nobody"), ({"pool": "nowhere"}, "nowhere")],
)
def test_what_is_not_there(pool: Pool, change: dict[str, str], words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        open_image(pool.disk(**change), READER)


class Endpoint:
    """What CephAccess asks of a client."""

    def __init__(self, cluster: PrivateCeph, **changes: Any) -> None:
        given = {
            "ceph_conf_file": cluster.conf,
            "ceph_username": "admin",
            "ceph_keyring_file": cluster.keyring,
            "ceph_pool_name": "volumes",
            **changes,
        }
        self.cloud = "OpenStack endpoint 'lab'"
        self.ceph_timeout = 17
        self.info = self
        self.ceph_options = CephOptions.parse(given, "Connection info")


def access(cluster: PrivateCeph, **changes: Any) -> CephAccess:
    return CephAccess(cast("OpenStackClient", Endpoint(cluster, **changes)))


def test_an_endpoints_access_to_the_cluster(pool: Pool) -> None:
    with pool.image() as image:
        image.create_snap("snapshot-1")
        image.create_snap("snapshot-2")
    cluster = access(pool.cluster)
    cluster.require_images({pool.volume: pool.name})
    assert cluster.snapshots(pool.name) == {pool.name: ["snapshot-1", "snapshot-2"]}
    disk = InstanceDisk(pool.volume, SIZE)
    place, base = f"{pool.name}@snapshot-2", f"{pool.name}@snapshot-1"
    image = cluster.image(disk, place, point="new", base="old", base_place=base)
    assert image.since == "old"
    opened = open_image(image, READER)
    assert opened.changes("old") == []
    opened.close()
    elsewhere = cluster.image(
        disk, place, point="new", base="old", base_place="volume-x@snapshot-1", digest="blake2b"
    )
    assert (elsewhere.since, elsewhere.digest) == (None, "blake2b")


def test_what_an_endpoints_access_lacks_is_named(cluster: PrivateCeph) -> None:
    with pytest.raises(NotSupported, match="pool 'volumes' has no image 'volume-9'"):
        access(cluster).require_images({"9": "volume-9"})
    with pytest.raises(CloudError, match="pool 'nowhere' of its Ceph cluster"):
        access(cluster, ceph_pool_name="nowhere").require_images({})
    another_key = run(["ceph-authtool", "--gen-print-key"]).text.strip()
    stranger = cluster.keyring.replace(cluster.key, another_key)
    with pytest.raises(CloudError, match=r"client\.admin"):
        access(cluster, ceph_keyring_file=stranger, ceph_connection_timeout=3).require_images({})
