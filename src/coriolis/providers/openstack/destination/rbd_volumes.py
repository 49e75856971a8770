"""Replica volumes and their clones as RBD images that the conductor opens itself, in the pool that Cinder keeps them
in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from coriolis.errors import CloudError, CloudUnavailable, InvalidInput, NotSupported
from coriolis.images import ceph
from coriolis.images.rbd import KEY, RbdParameters
from coriolis.model.image import ImageDisk
from coriolis.model.replica import ClonedDisk, ReplicaDisk
from coriolis.providers.openstack.ceph_options import CephOptions
from coriolis.providers.openstack.client import OpenStackClient


class RbdVolumes:
    def __init__(self, client: OpenStackClient) -> None:
        self._client = client

    def check(self) -> None:
        """Before anything is created: that this conductor can open images in the pool.

        Raises InvalidInput, NotSupported, CloudError.
        """
        with self._opened_pool():
            pass

    def images(self, disks: Sequence[ReplicaDisk] | Sequence[ClonedDisk]) -> tuple[ImageDisk, ...]:
        """Raises InvalidInput for a volume that is not in the pool: its type belongs to another storage."""
        options = self._options()
        with self._opened_pool() as pool:
            rbd = ceph.binding("rbd")
            present = set(rbd.RBD().list(pool))
        for disk in disks:
            if _image_name(disk) not in present:
                raise InvalidInput(
                    message=f"{self._client.cloud}: Ceph pool {options.ceph_pool_name!r} has no image "
                    f"{_image_name(disk)!r}: volume {disk.volume_name} is on other storage. Use another volume "
                    "type, or another data_transfer_mechanism."
                )
        cluster = options.cluster(self._client.ceph_timeout)
        return tuple(
            ImageDisk(
                disk_id=disk.disk_id,
                size_bytes=disk.size_bytes,
                kind="rbd",
                parameters=asdict(RbdParameters(cluster, options.ceph_pool_name, _image_name(disk))),
                secrets={KEY: options.key()},
            )
            for disk in disks
        )

    def _options(self) -> CephOptions:
        options = self._client.info.ceph_options
        if options is None:
            raise InvalidInput(
                message=f"{self._client.cloud}: data_transfer_mechanism rbd needs ceph_options in the endpoint's "
                "connection info."
            )
        options.check()
        return options

    @contextmanager
    def _opened_pool(self) -> Iterator[Any]:
        """An I/O context of librados."""
        options = self._options()
        missing = ceph.missing_bindings()
        if missing:
            raise NotSupported(message=f"{self._client.cloud}: data_transfer_mechanism rbd: {missing}.")
        rados = ceph.binding("rados")
        action = f"open Ceph pool {options.ceph_pool_name!r}"
        try:
            with (
                ceph.connected(options.cluster(self._client.ceph_timeout), options.key()) as connection,
                connection.open_ioctx(options.ceph_pool_name) as pool,
            ):
                yield pool
        except (rados.TimedOut, rados.InterruptedOrTimeoutError) as error:
            raise CloudUnavailable(cloud=self._client.cloud, action=action, reason=str(error)) from error
        except rados.Error as error:
            raise CloudError(cloud=self._client.cloud, action=action, reason=str(error)) from error


def _image_name(disk: ReplicaDisk | ClonedDisk) -> str:
    """Cinder's volume_name_template, unless its operator has another."""
    return f"volume-{disk.volume_id}"
