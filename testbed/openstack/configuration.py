"""Every configuration file of the cloud: which template goes where, and what is filled in. Runs inside."""

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from testbed.openstack.settings import (
    API_ADDRESS,
    APIS,
    HOSTNAME,
    LIBVIRT_SECRET,
    LOCALHOST,
    OSD_BYTES,
    REGION,
    Testbed,
)

_TEMPLATES = Path(__file__).with_name("templates")
EVERYBODY = ""
"""In place of the group that may read a file."""
_SERVICE_USERS = ("nova", "placement", "glance", "neutron", "cinder", "swift")


@dataclass(frozen=True)
class _File:
    """`place` is the file's path as the enclosure sees it; `service` the Keystone and database user, if any."""

    template: str
    place: str
    group: str
    service: str = ""
    more: dict[str, str] = field(default_factory=dict)


def _storage_server(kind: str, port: int) -> _File:
    more = {"kind": kind, "port": str(port)}
    return _File("swift/storage-server.conf", f"/etc/swift/{kind}-server.conf", "swift", more=more)


STORAGE_PORTS = {"account": 6202, "container": 6201, "object": 6200}

_FILES = (
    _File("keystone.conf", "/etc/keystone/keystone.conf", "keystone", "keystone"),
    _File("placement.conf", "/etc/placement/placement.conf", "placement", "placement"),
    _File("glance-api.conf", "/etc/glance/glance-api.conf", "glance", "glance"),
    _File("nova.conf", "/etc/nova/nova.conf", "nova", "nova"),
    _File("cinder.conf", "/etc/cinder/cinder.conf", "cinder", "cinder"),
    _File("cinder-backup-swift.conf", "/etc/cinder/backup-swift.conf", "cinder"),
    _File("cinder-backup-ceph.conf", "/etc/cinder/backup-ceph.conf", "cinder"),
    _File("neutron/neutron.conf", "/etc/neutron/neutron.conf", "neutron", "neutron"),
    _File("neutron/ml2_conf.ini", "/etc/neutron/plugins/ml2/ml2_conf.ini", "neutron"),
    _File("neutron/linuxbridge_agent.ini", "/etc/neutron/plugins/ml2/linuxbridge_agent.ini", "neutron"),
    _File("neutron/l3_agent.ini", "/etc/neutron/l3_agent.ini", "neutron"),
    _File("neutron/dhcp_agent.ini", "/etc/neutron/dhcp_agent.ini", "neutron"),
    _File("neutron/metadata_agent.ini", "/etc/neutron/metadata_agent.ini", "neutron"),
    _File("swift/swift.conf", "/etc/swift/swift.conf", "swift"),
    _File("swift/proxy-server.conf", "/etc/swift/proxy-server.conf", "swift", "swift"),
    *(_storage_server(kind, port) for kind, port in STORAGE_PORTS.items()),
    _File("libvirtd.conf", "/etc/libvirt/libvirtd.conf", "root"),
    _File("qemu.conf", "/etc/libvirt/qemu.conf", "root"),
    _File("ceph.conf", "/etc/ceph/ceph.conf", EVERYBODY),
)


class Configuration:
    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        own = testbed.etc / "testbed"  # of programs that take their file's name as an argument
        self.mariadb, self.rabbitmq, self.haproxy = (
            own / name for name in ("mariadb.cnf", "rabbitmq.conf", "haproxy.cfg")
        )
        self._common = {
            "api_address": API_ADDRESS,
            "localhost": LOCALHOST,
            "hostname": HOSTNAME,
            "region": REGION,
            "password": testbed.password,
            "libvirt_secret": LIBVIRT_SECRET,
            "lib": str(testbed.lib),
            "mariadb_socket": str(mariadb_socket(testbed)),
            "haproxy_socket": str(testbed.haproxy_socket),
            "haproxy_services": _haproxy_services(),
            "message_queue": f"rabbit://openstack:{testbed.password}@{LOCALHOST}:5672/",
            "osd_bytes": str(OSD_BYTES),
            "fsid": self._cluster_id(),
        }

    def write(self) -> None:
        """All of them, each time: an older version's are replaced."""
        (self._testbed.etc / "testbed").mkdir(exist_ok=True)
        for path, group, text in self.texts():
            self._put(path, text, group)
        Path("/etc/nova/nova-compute.conf").write_text("")  # the packaged one asks for KVM
        Path("/etc/libvirt/qemu/networks/autostart/default.xml").unlink(missing_ok=True)

    def texts(self) -> Iterator[tuple[Path, str, str]]:
        """Place, group that may read it or EVERYBODY, content."""
        for file in _FILES:
            yield Path(file.place), file.group, self._text(file)
        yield self.mariadb, "mysql", self._render("mariadb.cnf")
        yield self.rabbitmq, "rabbitmq", self._render("rabbitmq.conf")
        yield self.haproxy, "haproxy", self._render("haproxy.cfg")
        for service, program, processes in (
            ("keystone", "/usr/bin/keystone-wsgi-public", 2),
            ("placement", "/usr/bin/placement-api", 1),
        ):
            port = next(api.port for api in APIS if api.name == service)
            more = {"program": program, "processes": str(processes), "port": str(port)}
            yield self.uwsgi(service), service, self._render("uwsgi.ini", **more)

    def uwsgi(self, service: str) -> Path:
        return self._testbed.etc / "testbed" / f"{service}-uwsgi.ini"

    def database_url(self, name: str) -> str:
        return f"mysql+pymysql://openstack:{self._testbed.password}@{LOCALHOST}/{name}?charset=utf8"

    def _text(self, file: _File) -> str:
        values = dict(file.more)
        if file.service:
            values["database"] = self._database(file.service)
            values["database_nova_api"] = self._database("nova_api")
            for user in _SERVICE_USERS:
                values[f"credentials_{user}"] = self._render("credentials.ini", user=user)
            values["credentials"] = self._render("credentials.ini", user=file.service)
            values["token_options"] = self._render("token-options.ini", credentials=values["credentials"])
            values["token_validation"] = f"[keystone_authtoken]\n{values['token_options']}"
        return self._render(file.template, **values)

    def _database(self, name: str) -> str:
        return f"connection = {self.database_url(name)}\nmax_pool_size = 5\nmax_overflow = 20"

    def _render(self, template: str, **values: str) -> str:
        return Template((_TEMPLATES / template).read_text()).substitute(self._common, **values)

    def _put(self, path: Path, text: str, group: str) -> None:
        new = path.with_name(path.name + ".new")
        new.touch(mode=0o640)
        new.write_text(text)
        if group == EVERYBODY:
            new.chmod(0o644)
        else:
            shutil.chown(new, "root", group)
        new.rename(path)

    def _cluster_id(self) -> str:
        file = self._testbed.etc / "ceph-cluster-id"
        if not file.exists():
            file.write_text(str(uuid.uuid4()))
        return file.read_text()


def mariadb_socket(testbed: Testbed) -> Path:
    return testbed.lib / "mariadb" / "mariadbd.sock"


def _haproxy_services() -> str:
    return "\n".join(
        f"listen {api.name}\n    bind {API_ADDRESS}:{api.port}\n    server one {LOCALHOST}:{api.port}\n"
        for api in APIS
    )
