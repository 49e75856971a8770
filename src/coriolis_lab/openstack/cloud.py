"""The whole state of one region of the embedded OpenStack."""

import uuid

from coriolis_lab.faults import FaultBook
from coriolis_lab.hypervisor.api import Hypervisor, HypervisorError
from coriolis_lab.openstack.jobs import Jobs
from coriolis_lab.openstack.key_manager.records import StoredSecret
from coriolis_lab.openstack.object_store.records import Account
from coriolis_lab.openstack.realm import Realm
from coriolis_lab.openstack.records import (
    Attachment,
    Backup,
    Flavor,
    FloatingIp,
    Image,
    Keypair,
    Network,
    Port,
    Quotas,
    SecurityGroup,
    Server,
    ServerGroup,
    Snapshot,
    Subnet,
    Volume,
)
from coriolis_lab.settings import LabSettings

REGION = "RegionOne"
MEMBER_ROLES = ("member", "reader")
ADMIN_ROLES = ("admin", "member", "reader")


class Cloud:
    """Everything is keyed by id, in order of creation. `lock` guards all of it (see the package's docstring).

    `rbd`: Cinder has Ceph's rules for snapshots that volumes were cloned from. `realm`: what its regions share.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        settings: LabSettings,
        faults: FaultBook,
        *,
        rbd: bool,
        region: str = REGION,
        realm: Realm | None = None,
    ) -> None:
        self.region = region
        self.realm = realm or Realm(settings.token_seconds)
        self.realm.regions.append(region)
        self.release = settings.openstack_release
        self.hypervisor = hypervisor
        self.settings = settings
        self.faults = faults
        self.rbd = rbd
        self.lock = self.realm.lock
        self.jobs = Jobs()
        self.projects = self.realm.projects
        self.users = self.realm.users
        self.images: dict[str, Image] = {}
        self.flavors: dict[str, Flavor] = {}
        self.keypairs: dict[tuple[str, str], Keypair] = {}
        self.servers: dict[str, Server] = {}
        self.server_groups: dict[str, ServerGroup] = {}
        self.compute_zones = ["nova"]
        self.volume_zones = ["nova"]
        self.volumes: dict[str, Volume] = {}
        self.volume_types: dict[str, str] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.backups: dict[str, Backup] = {}
        self.accounts: dict[str, Account] = {}
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.security_groups: dict[str, SecurityGroup] = {}
        self.floating_ips: dict[str, FloatingIp] = {}
        self.quotas: dict[str, Quotas] = {}
        self.key_secrets: dict[str, StoredSecret] = {}
        self.router_id = str(uuid.uuid4())

    def quota(self, project_id: str) -> Quotas:
        return self.quotas.setdefault(project_id, Quotas())

    # relations
    def server_ports(self, server: Server) -> list[Port]:
        return [self.ports[port_id] for port_id in server.ports if port_id in self.ports]

    def port_floating_ip(self, port: Port) -> FloatingIp | None:
        return next((fip for fip in self.floating_ips.values() if fip.port_id == port.id), None)

    def volume_snapshots(self, volume_id: str) -> list[Snapshot]:
        return [snapshot for snapshot in self.snapshots.values() if snapshot.volume_id == volume_id]

    def account(self, project_id: str) -> Account:
        """Of Swift."""
        return self.accounts.setdefault(project_id, Account())

    def dependent_backups(self, backup_id: str) -> list[Backup]:
        return [backup for backup in self.backups.values() if backup.parent_id == backup_id]

    def snapshot_clones(self, snapshot_id: str) -> list[Volume]:
        return [volume for volume in self.volumes.values() if volume.snapshot_id == snapshot_id]

    def image_clones(self, image: Image) -> list[str]:
        """Ids of volumes and servers whose disks are clones of its data, which Ceph can tell for raw images only."""
        if not self.rbd or image.disk_format != "raw":
            return []
        volumes = [volume.id for volume in self.volumes.values() if volume.image_id == image.id]
        booted = [server.id for server in self.servers.values() if server.image_id == image.id]
        return volumes + [i for i in booted if self.servers[i].root_disk]

    def disk_from_image(self, disk_id: str, image_id: str, size: int) -> None:
        """Raises HypervisorError for an image that is gone or has no data. Unlocked."""
        with self.lock:
            image = self.images.get(image_id)
        if image is None or image.status != "active":
            raise HypervisorError(f"Image {image_id} could not be found.")
        if image.snapshot_id is not None:
            self.hypervisor.disk_from_snapshot(disk_id, image.snapshot_id, size)
        else:
            self.hypervisor.disk_from_image(disk_id, image.hypervisor_id, size)

    def forget_attachment(self, attachment: Attachment) -> None:
        """Takes it off both its volume and its server, whichever still exist."""
        volume = self.volumes.get(attachment.volume_id)
        server = self.servers.get(attachment.server_id)
        for holder in (volume, server):
            if holder and attachment in holder.attachments:
                holder.attachments.remove(attachment)
