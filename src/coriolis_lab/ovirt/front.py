"""The embedded oVirt engine: HTTPS on loopback, state in memory, VMs on the lab's hypervisor."""

import ipaddress
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp

from coriolis_lab.faults import FaultBook
from coriolis_lab.http_server import ServerThread
from coriolis_lab.hypervisor.api import Hypervisor
from coriolis_lab.ovirt.app import build_app
from coriolis_lab.ovirt.certificates import make_certificates
from coriolis_lab.ovirt.engine import GIGABYTE, Engine, new_id
from coriolis_lab.ovirt.image_daemon import ImageDaemon
from coriolis_lab.ovirt.look import LOOKS
from coriolis_lab.ovirt.machine_settings import BIOS_TYPES, MEBIBYTE, MachineSettings
from coriolis_lab.ovirt.markup import API_ROOT
from coriolis_lab.ovirt.records import (
    BLOCK_STORAGE,
    FILE_STORAGE,
    MANAGED_BLOCK_STORAGE,
    Cluster,
    DataCenter,
    Host,
    Network,
    StorageDomain,
    VmPool,
    VnicProfile,
)
from coriolis_lab.ovirt.sso import Sso
from coriolis_lab.ovirt.template_work import register_template
from coriolis_lab.settings import LabSettings

IMAGE_REPOSITORY_ID = "072fbaa1-08f3-4a40-9f34-a5ca22dd1d74"


class OvirtFront:
    """`add_*` fill the engine as an administrator would have; each returns the id of what it made.

    Data centres, clusters and so on are named by name or id.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        settings: LabSettings,
        faults: FaultBook,
        *,
        wrap: Callable[[ASGIApp], ASGIApp] | None = None,
    ) -> None:
        """`wrap` puts something of a test around the application, such as `checking.CheckedApp`."""
        self.username = LOOKS[settings.ovirt_look].administrator
        self.password = secrets.token_urlsafe(12)
        settings.root.mkdir(parents=True, exist_ok=True)
        self._directory = Path(tempfile.mkdtemp(prefix="ovirt-", dir=settings.root))
        self._certificates = make_certificates(self._directory)
        self._hypervisor = hypervisor
        self._image_daemon = ImageDaemon(self._directory, self._certificates)
        self._engine = Engine(hypervisor, settings, faults, self._image_daemon)
        self._add_image_repository()
        profiles = self._engine.look.profiles
        sso = Sso(self.username, self.password, settings.token_seconds, profiles)
        app: ASGIApp = build_app(self._engine, sso, self.ca_file)
        self._server = ServerThread(
            wrap(app) if wrap else app,
            settings.ovirt_port,
            ssl_certfile=str(self._certificates.certificate),
            ssl_keyfile=str(self._certificates.key),
        )

    @property
    def ca_file(self) -> Path:
        return self._certificates.ca

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.port}{API_ROOT}"

    def start(self) -> None:
        """Returns when the engine answers."""
        self._server.start()

    def stop(self) -> None:
        """Work under way is abandoned; VMs are the hypervisor's to end."""
        self._engine.tasks.closing.set()
        self._server.stop()
        self._image_daemon.stop()

    def add_data_center(self, name: str) -> str:
        with self._engine.lock:
            data_center = DataCenter(new_id(), name)
            self._engine.data_centers[data_center.id] = data_center
            return data_center.id

    def add_cluster(self, name: str, data_center: str, bios_type: str | None = None) -> str:
        """With one host, which is up. `bios_type`: what the engine's age brings unless one is named."""
        bios_type = bios_type or self._engine.look.cluster_bios_type
        _check(bios_type in BIOS_TYPES, f"unknown BIOS type {bios_type}")
        with self._engine.lock:
            cluster = Cluster(new_id(), name, self._data_center_id(data_center), bios_type)
            self._engine.clusters[cluster.id] = cluster
            host = Host(new_id(), f"{name.lower()}-host", cluster.id)
            self._engine.hosts[host.id] = host
            return cluster.id

    def add_storage_domain(
        self, name: str, data_center: str, storage_type: str = "nfs", capacity_bytes: int = 500 * GIGABYTE
    ) -> str:
        """`storage_type`: nfs, posixfs, glusterfs, localfs, iscsi, fcp or managed_block_storage."""
        known = (*FILE_STORAGE, *BLOCK_STORAGE, MANAGED_BLOCK_STORAGE)
        _check(storage_type in known, f"unknown storage type {storage_type}")
        kind = MANAGED_BLOCK_STORAGE if storage_type == MANAGED_BLOCK_STORAGE else "data"
        with self._engine.lock:
            center_id = self._data_center_id(data_center)
            domain = StorageDomain(new_id(), name, center_id, storage_type, kind, capacity_bytes, new_id())
            self._engine.storage_domains[domain.id] = domain
            return domain.id

    def add_network(self, name: str, data_center: str, cidr: str) -> str:
        """With a vNIC profile of the same name; guests get addresses of `cidr` by DHCP."""
        ipaddress.ip_network(cidr)
        with self._engine.lock:
            network = Network(new_id(), name, self._data_center_id(data_center), cidr)
            self._engine.networks[network.id] = network
            profile = VnicProfile(new_id(), name, network.id)
            self._engine.vnic_profiles[profile.id] = profile
            return network.id

    def add_vm_pool(self, name: str, cluster: str, template: str, size: int = 0) -> str:
        with self._engine.lock:
            pool = VmPool(new_id(), name, "", self._cluster(cluster).id, self._template_id(template), size)
            self._engine.pools[pool.id] = pool
            return pool.id

    def add_template(  # noqa: PLR0917 - the seam agreed with the lab's world
        self,
        name: str,
        hypervisor_image_id: str,
        cluster: str,
        storage_domain: str,
        memory_mb: int,
        cpus: int,
        os_type: str = "other_linux",
        bios_type: str = "i440fx_sea_bios",
    ) -> str:
        """A template with one disk, the content of an image that the hypervisor has registered."""
        _check(bios_type in BIOS_TYPES, f"unknown BIOS type {bios_type}")
        memory = memory_mb * MEBIBYTE
        settings = MachineSettings(
            memory=memory,
            memory_guaranteed=memory,
            memory_max=4 * memory,
            sockets=cpus,
            os_type=os_type,
            bios_type=bios_type,
        )
        size = self._image_size(hypervisor_image_id)
        with self._engine.lock:
            template = register_template(
                self._engine,
                name,
                hypervisor_image_id,
                cluster_id=self._cluster(cluster).id,
                storage_domain_id=self._storage_domain_id(storage_domain),
                settings=settings,
                virtual_size=size,
            )
            return template.id

    def _image_size(self, image_id: str) -> int:
        """Through a disk made for the purpose: the hypervisor measures disks, not images."""
        probe = new_id()
        self._hypervisor.disk_from_image(probe, image_id)
        size = self._hypervisor.disk_info(probe).virtual_size
        self._hypervisor.delete_disk(probe)
        return size

    def _add_image_repository(self) -> None:
        """The glance domain that every engine lists beside its own; clients must not choose
        it.
        """
        domain = StorageDomain(
            IMAGE_REPOSITORY_ID, "ovirt-image-repository", None, "glance", "image", 0, new_id()
        )
        self._engine.storage_domains[domain.id] = domain

    def _data_center_id(self, named: str) -> str:
        return _find({record.id: record.name for record in self._engine.data_centers.values()}, named)

    def _cluster(self, named: str) -> Cluster:
        clusters = self._engine.clusters
        return clusters[_find({record.id: record.name for record in clusters.values()}, named)]

    def _storage_domain_id(self, named: str) -> str:
        return _find({record.id: record.name for record in self._engine.storage_domains.values()}, named)

    def _template_id(self, named: str) -> str:
        return _find({record.id: record.name for record in self._engine.templates.values()}, named)


def _find(names: dict[str, str], named: str) -> str:
    if named in names:
        return named
    found = [identifier for identifier, name in names.items() if name == named]
    _check(len(found) == 1, f"{len(found)} entities are named {named}")
    return found[0]


def _check(condition: bool, text: str) -> None:
    if not condition:
        raise ValueError(text)
