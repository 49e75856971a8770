"""Ceph seen from below everything that is tested: contents of images, counters of pools. Works from outside."""

import json

from coriolis.runner import run
from testbed.openstack.settings import Testbed

_SECONDS = 1800.0


class Storage:
    def __init__(self, testbed: Testbed) -> None:
        ceph = testbed.etc / "ceph"
        keyring = ceph / "ceph.client.admin.keyring"
        self._login = ["--conf", str(ceph / "ceph.conf"), "--keyring", str(keyring)]

    def digest(self, image: str) -> str:
        """SHA-256 of an RBD image ("volumes/volume-…"), which nobody may write meanwhile."""
        export = ["rbd", *self._login, "export", "--no-progress", image, "-"]
        # a full content of zeros counts as its length: the pipe carries every byte
        pipeline = ["bash", "-o", "pipefail", "-c", '"$@" | sha256sum', "bash", *export]
        return run(pipeline, timeout=_SECONDS).text.split()[0]

    def bytes_read(self, *pools: str) -> int:
        """By all clients since the pools were made."""
        told = json.loads(run(["rados", *self._login, "df", "--format", "json"]).text)
        return sum(int(pool["read_bytes"]) for pool in told["pools"] if pool["name"] in pools)
