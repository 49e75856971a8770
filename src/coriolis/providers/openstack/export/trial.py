"""Whether anybody takes backups, found out before a snapshot is backed up.

While cinder-scheduler knows of no cinder-backup that works (it is down, or was restarted within the last minute), every
backup fails. To a volume that does no harm. If it is of a snapshot, the scheduler leaves that in `backing-up` for good
and takes the status from its volume, however much in use that is; only an administrator can set both again
(`create_backup` in cinder/scheduler/manager.py of Zed, and seen there). So a small volume of ours is backed up first,
unless somebody has just been served.
"""

from functools import partial

from coriolis.providers.base import Operation
from coriolis.providers.openstack.block_storage import Volumes
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.backups import Backups, trial_name
from coriolis.providers.openstack.quota import Needs

NEEDS = Needs(volumes=1, gigabytes=1, backups=1, backup_gigabytes=1)


class BackupTrial:
    """What it makes goes with the leftovers of the run."""

    def __init__(self, client: OpenStackClient, backups: Backups) -> None:
        self._client = client
        self._volumes = Volumes(client)
        self._backups = backups

    def run(self, op: Operation, volume_id: str, container: str | None) -> None:
        """For backups of that volume into that container: of its type, as others may not be offered, and in its
        availability zone, which is where the scheduler looks for a service. Raises CloudError where there is none."""
        if self._backups.were_taken_lately():
            return
        op.progress("Trying out whether backups are taken")
        volume = self._client.call(
            f"read volume {volume_id}", partial(self._client.storage.get_volume, volume_id)
        )
        made = self._volumes.create(
            op, trial_name(op), 1, volume.volume_type, availability_zone=volume.availability_zone
        )
        self._volumes.wait_available(op, made)
        self._backups.try_out(op, made, container)
