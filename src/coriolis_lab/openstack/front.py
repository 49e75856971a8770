"""The door of the embedded OpenStack: all services on one port, and an administrator's hand inside."""

import re
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from coriolis.model.secret import Secret
from coriolis_lab.faults import FaultBook
from coriolis_lab.faults_http import HttpFaults, fault_routes
from coriolis_lab.http_server import ServerThread
from coriolis_lab.hypervisor.api import Hypervisor
from coriolis_lab.openstack.cloud import ADMIN_ROLES, MEMBER_ROLES, Cloud
from coriolis_lab.openstack.compute import service as compute
from coriolis_lab.openstack.compute.power import PowerWatch
from coriolis_lab.openstack.identity import service as identity
from coriolis_lab.openstack.image import service as image
from coriolis_lab.openstack.key_manager import service as key_manager
from coriolis_lab.openstack.network import service as network
from coriolis_lab.openstack.network.security_groups import add_rule, default_group
from coriolis_lab.openstack.network.subnets import new_subnet
from coriolis_lab.openstack.records import Flavor, Image, Network, Project, User
from coriolis_lab.openstack.volume import service as volume
from coriolis_lab.settings import LabSettings

_PROJECT_IN_PATH = re.compile(r"^(/compute/v2\.1|/volume/v3)/([0-9a-f]{32})(/.*)?$")


class OpenStackFront:
    """The cloud over `hypervisor`. `rbd`: Cinder follows Ceph's rules for snapshots with clones.

    `admin_username`, `admin_password` and the project `admin` are the administrator's.
    """

    admin_username = "admin"

    def __init__(
        self, hypervisor: Hypervisor, settings: LabSettings, faults: FaultBook, *, rbd: bool = True
    ) -> None:
        self.cloud = Cloud(hypervisor, settings, faults, rbd=rbd)
        self.admin_password = secrets.token_urlsafe(12)
        self._server = ServerThread(self._application(faults), settings.openstack_port)
        self._watch = PowerWatch(self.cloud)
        self.admin_project_id = self._new_project(
            "admin", self.admin_username, self.admin_password, ADMIN_ROLES
        )
        for name in ("ceph", "__DEFAULT__") if rbd else ("lvm", "__DEFAULT__"):
            self.add_volume_type(name)

    @property
    def auth_url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/identity/v3"

    def start(self) -> None:
        """Returns when it answers."""
        self._server.start()
        self._watch.start()

    def stop(self) -> None:
        """Lets running jobs end; the hypervisor and its VMs are the caller's to close."""
        self._server.stop()
        self.cloud.jobs.stop()
        self._watch.stop()

    def add_project(self, name: str, username: str, password: str) -> str:
        """A project with one user as member. Its default security group lets SSH and ping in, the first
        thing that operators add to Neutron's own four rules."""
        project_id = self._new_project(name, username, password, MEMBER_ROLES)
        with self.cloud.lock:
            group = default_group(self.cloud, project_id)
            add_rule(group, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)
            add_rule(group, direction="ingress", protocol="icmp")
        return project_id

    def add_image(  # noqa: PLR0917  # agreed with the callers in the lab
        self,
        name: str,
        hypervisor_image_id: str,
        disk_format: str,
        size_bytes: int,
        min_disk_gb: int,
        properties: Mapping[str, str],
        *,
        path: Path | None = None,
    ) -> str:
        """A public image over a base that the hypervisor knows. `size_bytes` is what a guest sees of it;
        `path` is what a download gives (nothing: 204)."""
        made = Image(
            id=str(uuid.uuid4()),
            name=name,
            owner=self.admin_project_id,
            hypervisor_id=hypervisor_image_id,
            disk_format=disk_format,
            size_bytes=size_bytes,
            min_disk=min_disk_gb,
            min_ram=0,
            properties=dict(properties),
            path=str(path) if path else None,
        )
        with self.cloud.lock:
            self.cloud.images[made.id] = made
        return made.id

    def add_flavor(self, name: str, vcpus: int, ram_mb: int, disk_gb: int) -> str:
        """Disk 0: for servers that boot from a volume."""
        flavor = Flavor(str(uuid.uuid4()), name, vcpus, ram_mb, disk_gb)
        with self.cloud.lock:
            self.cloud.flavors[flavor.id] = flavor
        return flavor.id

    def add_network(
        self,
        name: str,
        cidr: str,
        external: bool = False,
        shared: bool = True,
        *,
        project_id: str | None = None,
    ) -> str:
        """A network with one IPv4 subnet, the administrator's or `project_id`'s.

        Addresses are given from the tenth on, leaving the first ones to the gateway and its services.
        Floating IPs of an external network are loopback addresses, whatever its CIDR says.
        """
        owner = project_id or self.admin_project_id
        made = Network(str(uuid.uuid4()), name, owner, external=external, shared=shared)
        subnet = new_subnet(made, f"{name}-v4", owner, cidr, {})
        first, _, last = subnet.pools[0][0].rpartition(".")
        if int(last) < 10:
            subnet.pools = [(f"{first}.10", subnet.pools[0][1])]
        with self.cloud.lock:
            self.cloud.networks[made.id] = made
            self.cloud.subnets[subnet.id] = subnet
        return made.id

    def add_volume_type(self, name: str) -> str:
        """The first one is the default type."""
        with self.cloud.lock:
            return self.cloud.volume_types.setdefault(name, str(uuid.uuid4()))

    def add_service(self, kind: str, name: str, url: str) -> None:
        """A service of somebody else's in the catalog; `{project_id}` in the URL stands for the token's."""
        with self.cloud.lock:
            self.cloud.foreign_services.append((kind, name, url))

    def set_quota(self, project_id: str, **limits: int) -> None:
        """By resource, of whichever service: `set_quota(project, volumes=20, instances=4, floatingip=2)`."""
        with self.cloud.lock:
            quota = self.cloud.quota(project_id)
            for name, limit in limits.items():
                holder = next(h for h in (quota.compute, quota.volume, quota.network) if name in h)
                holder[name] = limit

    def _new_project(self, name: str, username: str, password: str, roles: tuple[str, ...]) -> str:
        project = Project(uuid.uuid4().hex, name)
        with self.cloud.lock:
            user = next((u for u in self.cloud.users.values() if u.name == username), None)
            if user is None:
                user = User(uuid.uuid4().hex, username, Secret(password), project.id)
                self.cloud.users[user.id] = user
            user.roles[project.id] = roles
            self.cloud.projects[project.id] = project
        return project.id

    def _application(self, faults: FaultBook) -> ASGIApp:
        routes = list(fault_routes(faults))
        for service in (
            identity.SERVICE,
            compute.SERVICE,
            volume.SERVICE,
            image.SERVICE,
            network.SERVICE,
            key_manager.SERVICE,
        ):
            routes += service.starlette_routes(self.cloud)
        return HttpFaults(_ProjectPaths(Starlette(routes=routes)), faults, self._expire_token)

    def _expire_token(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        with self.cloud.lock:
            self.cloud.revoke_token(headers.get(b"x-auth-token", b"").decode())


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
