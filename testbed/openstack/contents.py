"""What a tenant finds in either cloud: images, a key pair, and a file that says how to log in."""

import json
from pathlib import Path
from typing import Any

from coriolis.runner import run
from coriolis_lab.guests.library import WORKER_IMAGE, GuestLibrary
from coriolis_lab.settings import LabSettings
from testbed.openstack.registration import FLAVORS, connect
from testbed.openstack.saying import say
from testbed.openstack.settings import CLOUDS, KEYSTONE, RBD_POOLS, REGION, Testbed

IMAGE, UEFI_IMAGE = "debian-12", "debian-12-uefi"
KEY_PAIR = "testbed"
# one disk image boots under both firmwares, and has the guest agent; the properties are what a cloud's owner would set
_IMAGES = {
    IMAGE: {"os_distro": "debian"},
    UEFI_IMAGE: {
        "os_distro": "debian",
        "hw_firmware_type": "uefi",
        "hw_machine_type": "q35",
        "hw_qemu_guest_agent": "yes",
        "os_require_quiesce": "yes",
    },
}
_UPLOAD_SECONDS = 1200


def put_in(testbed: Testbed) -> None:
    """Idempotent. The guest image is the lab's stock Debian with cloud-init, built when its cache lacks it."""
    _make_key(testbed)
    _upload_images(testbed)
    for cloud in CLOUDS:
        compute = connect(testbed, cloud.name).compute
        if not compute.find_keypair(KEY_PAIR):
            public = testbed.key.with_suffix(".pub").read_text().strip()
            compute.create_keypair(name=KEY_PAIR, public_key=public)
    _describe(testbed)


def describe(testbed: Testbed) -> dict[str, Any]:
    """What `testbed.json` holds."""
    loaded: dict[str, Any] = json.loads(testbed.description.read_text())
    return loaded


def _make_key(testbed: Testbed) -> None:
    if not testbed.key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "coriolis-testbed", "-f", testbed.key])


def _upload_images(testbed: Testbed) -> None:
    image = connect(testbed).image
    missing = [name for name in _IMAGES if not image.find_image(name)]
    if not missing:
        return
    library = GuestLibrary(LabSettings(root=testbed.root).cache)
    library.ensure([WORKER_IMAGE], say)
    path = library.image(WORKER_IMAGE)
    for name in missing:
        say(f"uploading image {name}")
        made = image.create_image(
            name=name,
            filename=str(path),
            disk_format="raw",
            container_format="bare",
            visibility="public",
            min_disk=-(-path.stat().st_size >> 30),
            wait=True,
            timeout=_UPLOAD_SECONDS,
            **_IMAGES[name],
        )
        say(f"image {name} is {image.get_image(made).status}")


def _describe(testbed: Testbed) -> None:
    """Readable by root only: passwords and Ceph's key are in it."""
    ceph = testbed.etc / "ceph"
    description = {
        "auth_url": KEYSTONE.url,
        "region": REGION,
        "clouds": [
            {
                "project": cloud.name,
                "username": cloud.name,
                "password": testbed.password,
                "network": cloud.network,
                "cidr": cloud.cidr,
            }
            for cloud in CLOUDS
        ],
        "admin": {"project": "admin", "username": "admin", "password": testbed.password},
        "external_network": "public",
        "image": IMAGE,
        "uefi_image": UEFI_IMAGE,
        "image_user": "debian",
        "flavors": [name for name, *_ in FLAVORS],
        "volume_type": "ceph",
        "key": str(testbed.key),
        "key_pair": KEY_PAIR,
        "ceph": {
            "conf_file": str(ceph / "ceph.conf"),
            "username": "coriolis",
            "keyring_file": str(ceph / "ceph.client.coriolis.keyring"),
            "pools": list(RBD_POOLS),
        },
        "haproxy_socket": str(testbed.haproxy_socket),
    }
    testbed.description.touch(mode=0o600)
    testbed.description.write_text(json.dumps(description, indent=2) + "\n")
    for name in ("admin", *(cloud.name for cloud in CLOUDS)):
        _write_openrc(testbed.root / f"openrc-{name}", name, testbed.password)


def _write_openrc(path: Path, name: str, password: str) -> None:
    values = {
        "OS_AUTH_URL": KEYSTONE.url,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": REGION,
        "OS_USERNAME": name,
        "OS_PROJECT_NAME": name,
        "OS_PASSWORD": password,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }
    path.touch(mode=0o600)
    path.write_text("".join(f"export {key}={value}\n" for key, value in values.items()))
