"""What Coriolis says of the real cloud before anything moves: connection, instances, networks, storage, options."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.product import Product, RefusedError
from tests.openstack_real.clouds import RealCloud
from tests.openstack_real.guests import GIB, SYSTEM_GIB, VOLUME_BOOTED, GuestKind, SourceGuest


@pytest.fixture(scope="module")
def endpoint(product: Product, cloud_a: RealCloud) -> str:
    return product.endpoint("inventory", "openstack", cloud_a.with_ceph("volumes"))


def _validate(product: Product, cloud: RealCloud, **changes: Any) -> dict[str, Any]:
    made = product.endpoint(
        f"with other {sorted(changes)}", "openstack", {**cloud.connection_info, **changes}
    )
    answer = product.call("POST", f"endpoints/{made}/actions", {"validate-connection": None})
    return dict(answer["validate-connection"])


def _show(product: Product, endpoint: str, name: str) -> dict[str, Any]:
    encoded = base64.urlsafe_b64encode(name.encode()).decode()
    return dict(product.call("GET", f"endpoints/{endpoint}/instances/{encoded}")["instance"])


def test_connections(product: Product, cloud_a: RealCloud) -> None:
    """Good, with a wrong password, and with nobody at the address."""
    assert _validate(product, cloud_a)["valid"]
    wrong = _validate(product, cloud_a, password="not-it")
    assert not wrong["valid"]
    assert "not-it" not in wrong["message"]
    nobody = _validate(product, cloud_a, auth_url="http://127.0.0.1:9/v3")
    assert "http://127.0.0.1:9" in nobody["message"]


def test_an_instance(
    product: Product, endpoint: str, source_guest: Callable[[GuestKind], SourceGuest]
) -> None:
    guest = source_guest(VOLUME_BOOTED)
    guest.with_data()
    listed = product.call("GET", f"endpoints/{endpoint}/instances")["instances"]
    assert VOLUME_BOOTED.name in [instance["name"] for instance in listed]
    shown = _show(product, endpoint, VOLUME_BOOTED.name)
    assert shown == _show(product, endpoint, guest.server.id)
    assert (shown["num_cpu"], shown["memory_mb"]) == (1, 512)
    sizes = [disk["size_bytes"] for disk in shown["devices"]["disks"]]
    assert sizes == [SYSTEM_GIB * GIB, guest.gibibytes * GIB]


def test_an_unknown_instance(product: Product, endpoint: str) -> None:
    with pytest.raises(RefusedError, match="no-such-server"):
        _show(product, endpoint, "no-such-server")


def test_networks_and_storage(product: Product, endpoint: str, cloud_a: RealCloud) -> None:
    networks = product.call("GET", f"endpoints/{endpoint}/networks")["networks"]
    assert cloud_a.project["network"] in [network["name"] for network in networks]
    storage = product.call("GET", f"endpoints/{endpoint}/storage")["storage"]["storage_backends"]
    assert cloud_a.described["volume_type"] in [backend["name"] for backend in storage]


def test_options(product: Product, endpoint: str, cloud_a: RealCloud) -> None:
    found = product.call("GET", f"endpoints/{endpoint}/source-options")["source_options"]
    offered = {option["name"]: option["values"] for option in found}
    assert cloud_a.described["image"] in [image["name"] for image in offered["export_image"]]
    pools = [pool["name"] for pool in offered["export_fip_pool_name"]]
    assert pools == [cloud_a.described["external_network"]]
