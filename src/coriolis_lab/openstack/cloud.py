"""The whole state of the embedded OpenStack, under one lock."""

import hashlib
import secrets
import threading
import uuid
from datetime import timedelta

from coriolis.model.secret import Secret
from coriolis_lab.faults import FaultBook
from coriolis_lab.hypervisor.api import Hypervisor
from coriolis_lab.openstack.jobs import Jobs
from coriolis_lab.openstack.key_manager.records import StoredSecret
from coriolis_lab.openstack.records import (
    Attachment,
    Flavor,
    FloatingIp,
    Image,
    Keypair,
    Network,
    Port,
    Project,
    Quotas,
    SecurityGroup,
    Server,
    Snapshot,
    Subnet,
    Token,
    User,
    Volume,
    now,
)
from coriolis_lab.settings import LabSettings

REGION = "RegionOne"
MEMBER_ROLES = ("member", "reader")
ADMIN_ROLES = ("admin", "member", "reader")


class Cloud:
    """Everything is keyed by id, in order of creation. `lock` guards all of it (see the package's docstring).

    `rbd`: Cinder has Ceph's rules for snapshots that volumes were cloned from.
    """

    def __init__(
        self, hypervisor: Hypervisor, settings: LabSettings, faults: FaultBook, *, rbd: bool
    ) -> None:
        self.hypervisor = hypervisor
        self.settings = settings
        self.faults = faults
        self.rbd = rbd
        self.lock = threading.RLock()
        self.jobs = Jobs()
        self.projects: dict[str, Project] = {}
        self.users: dict[str, User] = {}
        self._tokens: dict[str, Token] = {}
        self.images: dict[str, Image] = {}
        self.flavors: dict[str, Flavor] = {}
        self.keypairs: dict[tuple[str, str], Keypair] = {}
        self.servers: dict[str, Server] = {}
        self.volumes: dict[str, Volume] = {}
        self.volume_types: dict[str, str] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.security_groups: dict[str, SecurityGroup] = {}
        self.floating_ips: dict[str, FloatingIp] = {}
        self.quotas: dict[str, Quotas] = {}
        self.key_secrets: dict[str, StoredSecret] = {}
        self.foreign_services: list[tuple[str, str, str]] = []  # type, name, URL with {project_id}
        self.router_id = str(uuid.uuid4())

    def quota(self, project_id: str) -> Quotas:
        return self.quotas.setdefault(project_id, Quotas())

    # tokens: kept by digest, so that a dump of the state gives no valid token away
    def issue_token(self, user: User, project: Project | None, methods: tuple[str, ...]) -> Token:
        began = now()
        token = Token(
            id=Secret("gAAAA" + secrets.token_urlsafe(120)),
            user=user,
            project=project,
            roles=user.roles.get(project.id, ()) if project else (),
            issued=began,
            expires=began + timedelta(seconds=self.settings.token_seconds),
            methods=methods,
            audit_id=secrets.token_urlsafe(16),
        )
        self._tokens[_digest(token.id.reveal())] = token
        return token

    def find_token(self, text: str) -> Token | None:
        token = self._tokens.get(_digest(text))
        return token if token and token.expires > now() else None

    def revoke_token(self, text: str) -> None:
        self._tokens.pop(_digest(text), None)

    # relations
    def server_ports(self, server: Server) -> list[Port]:
        return [self.ports[port_id] for port_id in server.ports if port_id in self.ports]

    def port_floating_ip(self, port: Port) -> FloatingIp | None:
        return next((fip for fip in self.floating_ips.values() if fip.port_id == port.id), None)

    def volume_snapshots(self, volume_id: str) -> list[Snapshot]:
        return [snapshot for snapshot in self.snapshots.values() if snapshot.volume_id == volume_id]

    def snapshot_clones(self, snapshot_id: str) -> list[Volume]:
        return [volume for volume in self.volumes.values() if volume.snapshot_id == snapshot_id]

    def forget_attachment(self, attachment: Attachment) -> None:
        """Takes it off both its volume and its server, whichever still exist."""
        volume = self.volumes.get(attachment.volume_id)
        server = self.servers.get(attachment.server_id)
        for holder in (volume, server):
            if holder and attachment in holder.attachments:
                holder.attachments.remove(attachment)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
