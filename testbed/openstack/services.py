"""The daemons of OpenStack and Swift, in the order in which they can be started. Runs inside."""

from collections.abc import Callable
from pathlib import Path

from coriolis.runner import run
from testbed.openstack.configuration import STORAGE_PORTS, Configuration
from testbed.openstack.daemons import Daemon, Daemons
from testbed.openstack.saying import TestbedError, say
from testbed.openstack.settings import API_ADDRESS, APIS, LOCALHOST
from testbed.openstack.waiting import answers, wait_until

_NEUTRON = ("--config-file", "/etc/neutron/neutron.conf")
_ML2 = ("--config-file", "/etc/neutron/plugins/ml2/ml2_conf.ini")
_LINUX_BRIDGE = ("--config-file", "/etc/neutron/plugins/ml2/linuxbridge_agent.ini")
_CINDER = ("--config-file", "/etc/cinder/cinder.conf")


def _agent(name: str, *arguments: str) -> Daemon:
    return Daemon(f"neutron-{name}-agent", "neutron", [f"neutron-{name}-agent", *_NEUTRON, *arguments])


def _backup(driver: str) -> Daemon:
    """To one place at a time: Zed's scheduler gives a backup to any service of the zone, disabled ones too."""
    command = ["cinder-backup", *_CINDER, "--config-file", f"/etc/cinder/backup-{driver}.conf"]
    return Daemon("cinder-backup", "cinder", command)


def _plain(name: str, user: str, *arguments: str) -> Daemon:
    return Daemon(name, user, [name, *arguments])


_CONTROL = (
    _plain("glance-api", "glance", "--config-file", "/etc/glance/glance-api.conf"),
    _plain("neutron-server", "neutron", *_NEUTRON, *_ML2),
    _plain("nova-conductor", "nova"),
    _plain("nova-api", "nova"),
    _plain("cinder-api", "cinder"),
    _plain("nova-scheduler", "nova"),
    _plain("cinder-scheduler", "cinder"),
    _plain("cinder-volume", "cinder"),
    _backup("swift"),
    *(_plain(f"swift-{kind}-server", "swift", f"/etc/swift/{kind}-server.conf") for kind in STORAGE_PORTS),
    _plain("swift-proxy-server", "swift", "/etc/swift/proxy-server.conf"),
)
_AGENTS = (
    _agent("linuxbridge", *_ML2, *_LINUX_BRIDGE),
    _agent("dhcp", "--config-file", "/etc/neutron/dhcp_agent.ini"),
    _agent("l3", "--config-file", "/etc/neutron/l3_agent.ini"),
    _agent("metadata", "--config-file", "/etc/neutron/metadata_agent.ini"),
    _plain("nova-compute", "nova"),
)
_DHCP_SECONDS = 180.0
# what answers a healthy 2xx, 3xx or 4xx without a token
_HEALTH = {"swift": "/healthcheck", "keystone": "/v3"}


class Services:
    def __init__(self, configuration: Configuration, daemons: Daemons) -> None:
        self._configuration = configuration
        self._daemons = daemons

    def start_identity(self) -> None:
        """Keystone and Placement under uwsgi, HAProxy in front of everything that comes."""
        haproxy = ["haproxy", "-W", "-db", "-f", str(self._configuration.haproxy)]
        self._daemons.start(Daemon("haproxy", "root", haproxy))
        for service in ("keystone", "placement"):
            command = ["uwsgi", "--ini", str(self._configuration.uwsgi(service))]
            self._daemons.start(Daemon(service, service, command))
        wait_until("Keystone", lambda: answers(API_ADDRESS, 5000, "/v3"))
        say("Keystone answers")

    def start_control(self) -> None:
        _make_rings()
        for daemon in _CONTROL:
            self._daemons.start(daemon)

    def use_backups(self, driver: str) -> None:
        """`driver`: "swift" or "ceph". Backups that the other one made can only be deleted by that one."""
        self._daemons.stop(["cinder-backup"])
        self._daemons.start(_backup(driver))

    def start_agents(self) -> None:
        """Returns when all APIs answer through HAProxy."""
        wait_until("Neutron", lambda: answers(LOCALHOST, 9696))
        for daemon in _AGENTS:
            self._daemons.start(daemon)
        for api in APIS:
            path = _HEALTH.get(api.name, "/")
            wait_until(api.name, lambda port=api.port, path=path: answers(API_ADDRESS, port, path))  # type: ignore[misc]
        wait_until("Nova's metadata service", lambda: answers(LOCALHOST, 8775))
        say("all APIs answer")

    def see_to_addresses(self, networks_without_dhcp: Callable[[], list[str]]) -> None:
        """Until each network has a DHCP server. The agent that hangs (eventlet and the threads of oslo.privsep do not
        always agree on a busy machine) works after a restart."""
        try:
            wait_until("DHCP", lambda: not networks_without_dhcp(), _DHCP_SECONDS)
        except TestbedError:
            say(f"no DHCP yet on {', '.join(networks_without_dhcp())}: restarting the agent")
            agent = next(daemon for daemon in _AGENTS if daemon.name == "neutron-dhcp-agent")
            self._daemons.stop([agent.name])
            self._daemons.start(agent)
            wait_until("DHCP", lambda: not networks_without_dhcp())


def _make_rings() -> None:
    """One device, one copy, sixteen partitions."""
    for kind, port in STORAGE_PORTS.items():
        builder = Path(f"/etc/swift/{kind}.builder")
        device = f"r1z1-{LOCALHOST}:{port}/disk"
        if device in run(["swift-ring-builder", builder, "search", device], check=False).text:
            continue
        builder.unlink(missing_ok=True)
        run(["swift-ring-builder", builder, "create", "4", "1", "1"])
        run(["swift-ring-builder", builder, "add", device, "1"])
        # its exit code 1 only says that there is nothing to balance
        run(["swift-ring-builder", builder, "rebalance"], check=False)
    for path in Path("/etc/swift").glob("*.ring.gz"):
        path.chmod(0o644)
