"""fence_rhevm: how the nodes of a cluster switch each other's VMs off. It reads answers by regular expressions."""

import subprocess
from urllib.parse import urlsplit

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from tests.ovirt_clients.conftest import Clients
from tests.ovirt_clients.crossing.crossings import until

NODE = "node-1"
ON, OFF = 0, 2
"""What fence agents end with for a status; 0 for anything else that went well."""


@pytest.fixture
def node(clients: Clients) -> None:
    """A VM that is off."""
    with ovirtsdk4.Connection(**clients.login) as connection:
        service = connection.system_service().vms_service()
        cluster, template = types.Cluster(name="Default"), types.Template(name="worker")
        made = service.add(types.Vm(name=NODE, cluster=cluster, template=template))
        until(lambda: service.vm_service(made.id).get().status is types.VmStatus.DOWN)


def fence(clients: Clients, action: str) -> tuple[int, str]:
    """Exit status and output. Everything goes by standard input, as pacemaker does it."""
    place = urlsplit(clients.front.url)
    given = {
        "ipaddr": place.hostname,
        "ipport": place.port,
        "ssl_insecure": 1,  # the agent takes no file of authorities
        "login": clients.front.username,
        "passwd": clients.front.password,
        "disable_http_filter": 1,
        "action": action,
        "port": NODE,
    }
    text = "".join(f"{key}={value}\n" for key, value in given.items())
    done = subprocess.run(
        ["fence_rhevm"], input=text, capture_output=True, text=True, timeout=300, check=False
    )
    assert not done.stderr.strip(), done.stderr
    return done.returncode, done.stdout.strip()


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("clients", ["4.3", "4.5"], indirect=True)
def test_a_node_is_switched_off_and_on(clients: Clients) -> None:
    assert fence(clients, "status") == (OFF, "Status: OFF")
    assert fence(clients, "on") == (0, "Success: Powered ON")
    assert fence(clients, "status") == (ON, "Status: ON")
    assert fence(clients, "reboot") == (0, "Success: Rebooted")
    assert fence(clients, "off") == (0, "Success: Powered OFF")
    assert fence(clients, "list") == (0, f"{NODE},")
