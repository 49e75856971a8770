"""The door of the embedded OpenStack: all services on one port, and an administrator's hand inside."""

import re
import secrets
import uuid
from collections import deque
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from coriolis.model.secret import Secret
from coriolis_lab.faults import FaultBook
from coriolis_lab.faults_http import HttpFaults, fault_routes
from coriolis_lab.http_server import ServerThread
from coriolis_lab.hypervisor.api import Hypervisor
from coriolis_lab.openstack.administration import Administration
from coriolis_lab.openstack.cloud import ADMIN_ROLES, MEMBER_ROLES, Cloud
from coriolis_lab.openstack.compute import service as compute
from coriolis_lab.openstack.compute.power import PowerWatch
from coriolis_lab.openstack.doors import Doors, Visit
from coriolis_lab.openstack.identity import service as identity
from coriolis_lab.openstack.image import service as image
from coriolis_lab.openstack.key_manager import service as key_manager
from coriolis_lab.openstack.network import service as network
from coriolis_lab.openstack.network.security_groups import add_rule, default_group
from coriolis_lab.openstack.object_store import service as object_store
from coriolis_lab.openstack.realm import INTERFACES, ForeignService
from coriolis_lab.openstack.records import Project, User
from coriolis_lab.openstack.volume import service as volume
from coriolis_lab.settings import LabSettings

_PROJECT_IN_PATH = re.compile(r"^(/compute/v2\.1|/volume/v3)/([0-9a-f]{32})(/.*)?$")


class OpenStackFront(Administration):
    """The cloud over `hypervisor`, whose first region this is the administrator's hand of.

    `rbd`: Cinder follows Ceph's rules for snapshots with clones. `tls`: certificate and key, to speak HTTPS.
    `admin_username`, `admin_password` and the project `admin` are the administrator's.
    """

    admin_username = "admin"

    def __init__(
        self,
        hypervisor: Hypervisor,
        settings: LabSettings,
        faults: FaultBook,
        *,
        rbd: bool = True,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        cloud = Cloud(hypervisor, settings, faults, rbd=rbd)
        self._volume_types = ("ceph", "__DEFAULT__") if rbd else ("lvm", "__DEFAULT__")
        self._apps: dict[str, ASGIApp] = {}
        self._doors = Doors(self._apps, cloud.realm.regions)
        self._watches: list[tuple[Cloud, PowerWatch]] = []
        self.admin_password = secrets.token_urlsafe(12)
        project_id = _new_project(cloud, "admin", self.admin_username, self.admin_password, ADMIN_ROLES)
        super().__init__(cloud, project_id)
        self._open(self)
        self._scheme = "https" if tls else "http"
        certificate, key = map(str, tls) if tls else (None, None)
        self._server = ServerThread(
            HttpFaults(self._doors, faults, self._expire_token),
            settings.openstack_port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )

    @property
    def auth_url(self) -> str:
        """Of the latest version of Keystone that there is."""
        path = "v3" if 3 in self.cloud.release.identity else "v2.0"
        return f"{self._scheme}://127.0.0.1:{self._server.port}/identity/{path}"

    @property
    def visits(self) -> deque[Visit]:
        """The latest requests."""
        return self._doors.visits

    def add_region(self, name: str) -> Administration:
        """Before `start`. Its services share users, projects and tokens with the others, and nothing else."""
        first = self.cloud
        cloud = Cloud(
            first.hypervisor, first.settings, first.faults, rbd=first.rbd, region=name, realm=first.realm
        )
        region = Administration(cloud, self.admin_project_id)
        self._open(region)
        return region

    def start(self) -> None:
        """Returns when it answers."""
        self._server.start()
        for _, watch in self._watches:
            watch.start()

    def stop(self) -> None:
        """Lets running jobs end; the hypervisor and its VMs are the caller's to close."""
        self._server.stop()
        for cloud, watch in self._watches:
            cloud.jobs.stop()
            watch.stop()

    def add_project(self, name: str, username: str, password: str) -> str:
        """A project with one user as member. Its default security group lets SSH and ping in, the first
        thing that operators add to Neutron's own four rules."""
        project_id = _new_project(self.cloud, name, username, password, MEMBER_ROLES)
        with self.cloud.lock:
            group = default_group(self.cloud, project_id)
            add_rule(group, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)
            add_rule(group, direction="ingress", protocol="icmp")
        return project_id

    def add_service(
        self,
        kind: str,
        name: str,
        url: str,
        *,
        region: str | None = None,
        interfaces: tuple[str, ...] = INTERFACES,
    ) -> None:
        """A service of somebody else's in the catalog; `{project_id}` in the URL stands for the token's."""
        with self.cloud.lock:
            self.cloud.realm.foreign_services.append(ForeignService(kind, name, url, region, interfaces))

    def _open(self, region: Administration) -> None:
        routes = list(fault_routes(region.cloud.faults))
        for service in _SERVICES:
            routes += service.starlette_routes(region.cloud)
        self._apps[region.cloud.region] = _ProjectPaths(Starlette(routes=routes))
        self._watches.append((region.cloud, PowerWatch(region.cloud)))
        for name in self._volume_types:
            region.add_volume_type(name)

    def _expire_token(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        with self.cloud.lock:
            self.cloud.realm.revoke_token(headers.get(b"x-auth-token", b"").decode())


_SERVICES = (
    identity.SERVICE,
    compute.SERVICE,
    volume.SERVICE,
    image.SERVICE,
    network.SERVICE,
    key_manager.SERVICE,
    object_store.SERVICE,
)


def _new_project(cloud: Cloud, name: str, username: str, password: str, roles: tuple[str, ...]) -> str:
    project = Project(uuid.uuid4().hex, name)
    with cloud.lock:
        user = next((u for u in cloud.users.values() if u.name == username), None)
        if user is None:
            user = User(uuid.uuid4().hex, username, Secret(password), project.id)
            cloud.users[user.id] = user
        user.roles[project.id] = roles
        cloud.projects[project.id] = project
    return project.id


class _ProjectPaths:
    """Takes the project's id out of Nova's and Cinder's paths, where clients may or must put it, and notes
    it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (found := _PROJECT_IN_PATH.match(scope["path"])):
            path = found[1] + (found[3] or "")
            state = {**scope.get("state", {}), "url_project": found[2]}
            scope = {**scope, "path": path, "raw_path": path.encode(), "state": state}
        elif "state" not in scope:
            scope = {**scope, "state": {}}
        await self._app(scope, receive, send)
