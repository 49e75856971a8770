from types import SimpleNamespace
from typing import Any, cast

import pytest

from coriolis.api.masking import mask
from coriolis.errors import InvalidInput
from coriolis.images import ceph as ceph_images
from coriolis.model.secret import MASK
from coriolis.providers.openstack.ceph_options import CephOptions

KEY = "AQBvaBdfAAAAABAAUcrOnwH5k/q3Ds4lKYTWQQ=="
OPTIONS: dict[str, Any] = {
    "ceph_conf_file": "[global]\n\tmon host = 10.0.0.1,10.0.0.2 ; both\n  fsid = 1\n",
    "ceph_username": "client.cinder",
    "ceph_keyring_file": f'[client.cinder]\n\tkey = {KEY}\n\tcaps mon = "profile rbd"\n',
    "ceph_pool_name": "volumes",
}


def ceph(**change: Any) -> CephOptions:
    return CephOptions.parse({**OPTIONS, **change}, "Ceph options")


def test_a_ceph_conf_and_keyring_as_ceph_writes_them() -> None:
    options = ceph()
    options.check()
    assert options.key().reveal() == KEY
    assert (options.ceph_username, options.ceph_cluster_name, options.ceph_connection_timeout) == (
        "cinder",
        "ceph",
        None,
    )


@pytest.mark.parametrize(
    "spelling",
    ["[global]\nmon_host=h", "[mon.a]\nmon-addr = 10.0.0.1:6789", "[global]\nmon dns srv name = x"],
)
def test_monitors_may_be_named_in_any_of_cephs_spellings(spelling: str) -> None:
    ceph(ceph_conf_file=spelling).check()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ceph_conf_file": "/etc/ceph/ceph.conf"}, "ceph_conf_file: is a path"),
        ({"ceph_conf_file": "[global]\nfsid = 1"}, "ceph_conf_file: names no monitor hosts"),
        ({"ceph_conf_file": "mon_host = x"}, "ceph_conf_file: is no file of"),
        ({"ceph_keyring_file": "/etc/ceph/x.keyring"}, "ceph_keyring_file: is a path"),
        ({"ceph_username": "admin"}, r"ceph_keyring_file: has no section \[client.admin\]"),
        ({"ceph_keyring_file": "[client.cinder]\nkey = 123"}, "is no CephX key"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text) as raised:
        ceph(**change).check()
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        {"ceph_pool_name": ""},
        {"ceph_connection_timeout": 0},
        {"ceph_username": None},
        {"ceph_cluster_name": ""},
    ],
)
def test_each_option_is_bounded(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(change))):
        ceph(**change)


def test_the_keyring_is_masked_in_answers() -> None:
    assert mask({"ceph_options": OPTIONS})["ceph_options"]["ceph_keyring_file"] == MASK


@pytest.mark.skipif(bool(ceph_images.missing_bindings()), reason=ceph_images.missing_bindings())
@pytest.mark.parametrize(("given", "seconds"), [(None, "17"), (4, "4")])
def test_the_cluster_s_name_and_the_time_out_reach_librados(given: int | None, seconds: str) -> None:
    """A ceph.conf may speak of $cluster. `given` empty: cinder_ceph_timeout of the conductor."""
    rados = ceph_images.binding("rados")
    asked: list[int] = []

    class Offline(rados.Rados):  # type: ignore[misc, name-defined]
        def connect(self, timeout: int) -> None:
            asked.append(timeout)

    options = ceph(
        ceph_conf_file="[global]\nmon_host = 127.0.0.1\nhost = $cluster-host\n",
        ceph_cluster_name="blue",
        ceph_connection_timeout=given,
    )
    module = cast("Any", SimpleNamespace(Rados=Offline))
    connection = ceph_images.connect(module, options.cluster(17), options.key())
    assert connection.conf_get("host") == "blue-host"
    assert connection.conf_get("client_mount_timeout") == seconds
    assert asked == [int(seconds)]
    assert connection.conf_get("key") == KEY
