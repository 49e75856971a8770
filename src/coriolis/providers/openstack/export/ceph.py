"""ceph_snapshots and ceph_backups: the conductor reads RBD images of the cluster behind Cinder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from coriolis.errors import CloudError, InvalidInput, NotSupported
from coriolis.images import ceph
from coriolis.images.rbd import KEY, RbdParameters
from coriolis.model.image import ImageDisk
from coriolis.model.instance import Disk
from coriolis.model.secret import Secret
from coriolis.providers.openstack.ceph_options import CephOptions
from coriolis.providers.openstack.client import OpenStackClient

KIND = "rbd"


class CephAccess:
    """With the `ceph_options` of an endpoint."""

    def __init__(self, client: OpenStackClient) -> None:
        """Raises InvalidInput where the connection info has none, and NotSupported without the bindings."""
        options = client.info.ceph_options
        if options is None:
            raise InvalidInput(
                message=f"{client.cloud}: exports through Ceph need ceph_options in the endpoint's connection info."
            )
        options.check()
        if missing := ceph.missing_bindings():
            raise NotSupported(message=f"Exports through Ceph are not possible here: {missing}.")
        self._cloud = client.cloud
        self._options: CephOptions = options
        self.cluster = options.cluster(client.ceph_timeout)
        self.pool = options.ceph_pool_name

    @property
    def secrets(self) -> dict[str, Secret]:
        return {KEY: self._options.key()}

    def image(
        self,
        disk: Disk,
        place: str,
        *,
        point: str,
        base: str | None,
        base_place: str,
        digest: str | None = None,
    ) -> ImageDisk:
        """`place` and `base_place` are image@snapshot, or only an image. A base in another image tells nothing."""
        name, _, snapshot = place.partition("@")
        base_name, _, base_snapshot = base_place.partition("@")
        since = base if base is not None and base_name == name and base_snapshot and snapshot else None
        parameters = RbdParameters(
            self.cluster,
            self.pool,
            name,
            snapshot=snapshot or None,
            since=base_snapshot if since is not None else None,
        )
        return ImageDisk(
            disk.id,
            disk.size_bytes,
            KIND,
            asdict(parameters),
            self.secrets,
            point=point,
            since=since,
            digest=digest,
        )

    def require_images(self, names: Mapping[str, str]) -> None:
        """RBD images, by volume id. Raises NotSupported naming the first that the pool does not have."""
        with self.reading() as (rbd, context):
            there = set(rbd.RBD().list(context))
        for volume_id, name in names.items():
            if name not in there:
                raise NotSupported(
                    message=f"{self._cloud}: pool {self.pool!r} has no image {name!r}. Volume {volume_id} is not in "
                    "this Ceph cluster, or ceph_pool_name names another pool than that of Cinder's volumes."
                )

    def snapshots(self, prefix: str) -> dict[str, list[str]]:
        """Of all images whose names begin so."""
        found: dict[str, list[str]] = {}
        with self.reading() as (rbd, context):
            for name in rbd.RBD().list(context):
                if name.startswith(prefix):
                    with rbd.Image(context, name, read_only=True) as image:
                        found[name] = [snapshot["name"] for snapshot in image.list_snaps()]
        return found

    @contextmanager
    def reading(self) -> Iterator[tuple[Any, Any]]:
        """The module rbd and the pool. Raises CloudError naming what the cluster says."""
        rados, rbd = ceph.binding("rados"), ceph.binding("rbd")
        action = f"read pool {self.pool!r} of its Ceph cluster as client.{self._options.ceph_username}"
        try:
            with ceph.connected(self.cluster, self._options.key()) as connection:
                context = connection.open_ioctx(self.pool)
                try:
                    yield rbd, context
                finally:
                    context.close()
        except (rados.Error, rbd.Error) as error:
            raise CloudError(cloud=self._cloud, action=action, reason=str(error)) from error


def volume_images(disks: Sequence[Disk]) -> dict[str, str]:
    """Cinder's names of volumes in RBD (its option volume_name_template as it comes)."""
    return {disk.id: f"volume-{disk.id}" for disk in disks}
