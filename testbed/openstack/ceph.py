"""A whole Ceph cluster: one monitor, one manager, one BlueStore OSD in a sparse file. Runs inside."""

import json
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from coriolis.runner import run
from testbed.openstack.daemons import Daemon, Daemons
from testbed.openstack.saying import say
from testbed.openstack.settings import API_ADDRESS, RBD_POOLS, Testbed
from testbed.openstack.waiting import wait_until

_MONITOR = Path("/var/lib/ceph/mon/ceph-a")
_MANAGER = Path("/var/lib/ceph/mgr/ceph-x")
_OSD = Path("/var/lib/ceph/osd/ceph-0")
_ETC = Path("/etc/ceph")
_ADMIN = (
    "--cap",
    "mon",
    "allow *",
    "--cap",
    "osd",
    "allow *",
    "--cap",
    "mds",
    "allow *",
    "--cap",
    "mgr",
    "allow *",
)
# Ceph users with the pools that each may use; `coriolis` is what a migration is given: the volumes to read, snapshot
# and write, and the backups to read
_USERS = {
    "glance": ("profile rbd pool=images",),
    "cinder": tuple(f"profile rbd pool={pool}" for pool in RBD_POOLS),
    "coriolis": tuple(f"profile rbd pool={pool}" for pool in RBD_POOLS),
}


def keyring(user: str) -> Path:
    return _ETC / f"ceph.client.{user}.keyring"


class Ceph:
    def __init__(self, testbed: Testbed, daemons: Daemons) -> None:
        self._testbed = testbed
        self._daemons = daemons

    def start(self) -> None:
        """Makes the cluster the first time; returns when all placement groups are clean."""
        for directory in (_MONITOR, _MANAGER, _OSD):
            directory.mkdir(parents=True, exist_ok=True)
            shutil.chown(directory, "ceph", "ceph")
        if not (_MONITOR / "keyring").exists():
            self._make_monitor()
        self._start("mon", "a")
        wait_until(
            "Ceph's monitor",
            lambda: run(["ceph", "--connect-timeout", "5", "-s"], check=False).returncode == 0,
        )
        if not (_MANAGER / "keyring").exists():
            self._make_manager()
        self._start("mgr", "x")
        if not (_OSD / "ready").exists():
            self._make_osd()
        self._start("osd", "0")
        wait_until(
            "Ceph's OSD",
            lambda: _told("osd", "stat")["num_up_osds"] == 1,
        )
        if not (self._testbed.done / "ceph").exists():
            self._make_pools_and_users()
            (self._testbed.done / "ceph").touch()
        wait_until("Ceph's placement groups", self._clean)
        say("Ceph is up")

    @staticmethod
    def key(user: str) -> str:
        return run(["ceph", "auth", "get-key", f"client.{user}"]).text.strip()

    def _start(self, kind: str, name: str) -> None:
        command = [f"ceph-{kind}", "-f", "-i", name, "--setuser", "ceph", "--setgroup", "ceph"]
        self._daemons.start(Daemon(f"ceph-{kind}", "root", command))

    @staticmethod
    def _clean() -> bool:
        states = _told("pg", "stat")["pg_summary"]["num_pg_by_state"]
        return [state["name"] for state in states] == ["active+clean"]

    @staticmethod
    def _make_monitor() -> None:
        say("making the Ceph cluster")
        settings = (_ETC / "ceph.conf").read_text()
        fsid = next(line.split()[-1] for line in settings.splitlines() if line.startswith("fsid"))
        addresses = f"[v2:{API_ADDRESS}:3300,v1:{API_ADDRESS}:6789]"
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            keys, monitors = scratch / "keyring", scratch / "monmap"
            run(["ceph-authtool", "-C", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"])
            run(["ceph-authtool", "-C", keyring("admin"), "--gen-key", "-n", "client.admin", *_ADMIN])
            run(["ceph-authtool", keys, "--import-keyring", keyring("admin")])
            run(["monmaptool", "--create", "--addv", "a", addresses, "--fsid", fsid, monitors])
            shutil.rmtree(_MONITOR)  # of an attempt that broke off
            _MONITOR.mkdir()
            for path in (scratch, keys, monitors, _MONITOR):
                shutil.chown(path, "ceph", "ceph")
            run(
                [
                    *("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keys),
                    *("--setuser", "ceph", "--setgroup", "ceph"),
                ]
            )

    @staticmethod
    def _make_manager() -> None:
        caps = ["mon", "allow profile mgr", "osd", "allow *", "mds", "allow *"]
        made = run(["ceph", "auth", "get-or-create", "mgr.x", *caps])
        _give(_MANAGER / "keyring", made.stdout, "ceph", 0o600)

    @staticmethod
    def _make_osd() -> None:
        identity = str(uuid.uuid4())
        key = run(["ceph-authtool", "--gen-print-key"]).text.strip()
        secret = json.dumps({"cephx_secret": key}).encode()
        run(["ceph", "osd", "new", identity, "-i", "-", "0"], stdin=secret)
        _give(_OSD / "keyring", f"[osd.0]\n\tkey = {key}\n".encode(), "ceph", 0o600)
        run(
            [
                "ceph-osd",
                "-i",
                "0",
                "--mkfs",
                "--osd-uuid",
                identity,
                "--setuser",
                "ceph",
                "--setgroup",
                "ceph",
            ]
        )

    @staticmethod
    def _make_pools_and_users() -> None:
        for flag in ("noscrub", "nodeep-scrub"):  # which would read behind the back of every measurement
            run(["ceph", "osd", "set", flag])
        for pool in RBD_POOLS:
            run(["ceph", "osd", "pool", "create", pool, "16", "16"])
            run(["ceph", "osd", "pool", "application", "enable", pool, "rbd"])
        for user, pools in _USERS.items():
            caps = ["mon", "profile rbd", "osd", ", ".join(pools), "mgr", "profile rbd"]
            made = run(["ceph", "auth", "get-or-create", f"client.{user}", *caps])
            _give(keyring(user), made.stdout, user if user != "coriolis" else "root", 0o600)
        # QEMU logs in with libvirt's secret, Nova with this file
        keyring("cinder").chmod(0o640)
        shutil.chown(keyring("cinder"), "cinder", "nova")


def _told(*words: str) -> Any:
    return json.loads(run(["ceph", *words, "-f", "json"]).text)


def _give(path: Path, content: bytes, owner: str, mode: int) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    path.chmod(mode)
    shutil.chown(path, owner, owner)
