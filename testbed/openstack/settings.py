"""Where the testbed lives, what its parts are called and how to log in."""

import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

DEFAULT_ROOT = Path("/var/lib/coriolis-openstack")

HOSTNAME = "testbed"  # of the enclosure, and of all services in it
REGION = "RegionOne"
# 198.18.0.0/15 is set aside for benchmarks (RFC 2544): no test machine has it on its own network
API_ADDRESS, API_GATEWAY, API_PREFIX = "198.18.45.2", "198.18.45.1", 30
PUBLIC_NETWORK, PUBLIC_GATEWAY, PUBLIC_PREFIX = "198.18.44.0/24", "198.18.44.1", 24
FLOATING_FIRST, FLOATING_LAST = "198.18.44.100", "198.18.44.199"
LOCALHOST = "127.0.0.1"  # the enclosure's own loopback: databases, queues, what stands behind HAProxy

MIB = 1 << 20
GIB = 1 << 30
OSD_BYTES = 60 * GIB  # a sparse file
RBD_POOLS = ("images", "volumes", "vms", "backups")
# libvirt's name for the key of the Ceph user that QEMU logs in with; any fixed UUID does
LIBVIRT_SECRET = "5f0c3cf1-2f6a-4b0e-9a6b-6f6c1d1f9e10"  # noqa: S105 - the name of one


@dataclass(frozen=True)
class Api:
    """One HTTP service: its port behind and before HAProxy, and what the catalog says of it."""

    name: str
    port: int
    service_type: str
    path: str = ""

    @property
    def url(self) -> str:
        return f"http://{API_ADDRESS}:{self.port}{self.path}"


KEYSTONE = Api("keystone", 5000, "identity", "/v3")
APIS = (
    KEYSTONE,
    Api("glance", 9292, "image"),
    Api("placement", 8778, "placement"),
    Api("nova", 8774, "compute", "/v2.1"),
    Api("neutron", 9696, "network"),
    Api("cinder", 8776, "volumev3", "/v3/%(project_id)s"),
    Api("swift", 8080, "object-store", "/v1/AUTH_%(project_id)s"),
)


@dataclass(frozen=True)
class Cloud:
    """One of the two "clouds": a project with a user of the same name, a network and a router to `public`.
    `first` and `last`: addresses that Neutron gives out by itself."""

    name: str
    cidr: str
    first: str
    last: str

    @property
    def network(self) -> str:
        return f"{self.name}-net"


# The same addresses in both, as where a site moves: a migrated VM can keep its own.
_SITE = ("10.61.0.0/24", "10.61.0.10", "10.61.0.199")
CLOUDS = (Cloud("cloud-a", *_SITE), Cloud("cloud-b", *_SITE))


@dataclass(frozen=True)
class Testbed:
    """The directory that holds all of the state, and what is found in it."""

    __test__ = False  # pytest takes the name for a test

    root: Path

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def lib(self) -> Path:
        return self.root / "lib"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def pids(self) -> Path:
        return self.root / "pids"

    @property
    def done(self) -> Path:
        """A file for each step that is made once in the life of the state."""
        return self.root / "done"

    @property
    def haproxy_socket(self) -> Path:
        return self.root / "haproxy.sock"

    @property
    def key(self) -> Path:
        """Logs in to the guests of both clouds."""
        return self.root / "keys" / "id_ed25519"

    @property
    def description(self) -> Path:
        return self.root / "testbed.json"

    @property
    def figures(self) -> Path:
        """What the scenarios of `make test-openstack` measured."""
        return self.root / "figures.json"

    @cached_property
    def password(self) -> str:
        """One for everything, drawn when the state is made."""
        file = self.root / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(12))
        return file.read_text()

    def prepare(self) -> None:
        """Creates the directories. The services' users go through the root, but may not list it."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for directory in (self.etc, self.lib, self.log, self.pids, self.done, self.key.parent):
            directory.mkdir(exist_ok=True)
        for directory in (self.pids, self.done, self.key.parent):
            directory.chmod(0o700)


def project_directory() -> Path:
    return Path(__file__).resolve().parents[2]


def require_root() -> None:
    if os.geteuid() != 0:
        raise SystemExit("testbed: run this as root: it makes namespaces and installs packages")
