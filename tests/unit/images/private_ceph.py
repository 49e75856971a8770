"""A throw-away Ceph cluster: one monitor and one OSD in memory, on a loopback address of its own."""

import contextlib
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

ADDRESS = "127.53.9.1"
PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool")


def missing() -> str:
    """Why there can be none here."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


class PrivateCeph:
    """`conf` and `keyring` are texts, as an operator would hand them out."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = directory / "ceph.conf"
        self._admin = directory / "admin.keyring"
        self.conf = _configuration(directory, _free_port())
        self._path.write_text(self.conf)
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def keyring(self) -> str:
        return self._admin.read_text()

    @property
    def key(self) -> str:
        (line,) = [line for line in self.keyring.splitlines() if line.strip().startswith("key")]
        return line.split("=", 1)[1].strip()

    def start(self, *pools: str) -> None:
        self._make_monitor()
        self._spawn("ceph-mon", "-i", "a")
        self._until("mon", lambda: self.ceph("mon", "stat"))
        osd = self.directory / "osd.0"
        osd.mkdir()
        identity = str(uuid.uuid4())
        self.ceph("osd", "new", identity)
        secret = self.ceph("auth", "get-or-create", "osd.0", "mon", "allow profile osd", "osd", "allow *")
        (osd / "keyring").write_text(secret)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity, "--osd-data", str(osd))
        self._spawn("ceph-osd", "-i", "0", "--osd-data", str(osd))
        self._until("osd", lambda: "1 up" in self.ceph("osd", "stat") or None)
        for pool in pools:
            self.ceph("osd", "pool", "create", pool, "8", "8")
            self.ceph("osd", "pool", "application", "enable", pool, "rbd")

    def ceph(self, *words: str) -> str:
        return self._run("ceph", "--connect-timeout", "5", "-k", str(self._admin), *words)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def _make_monitor(self) -> None:
        monitor = self.directory / "mon.keyring"
        caps = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
        self._run("ceph-authtool", "-C", str(self._admin), "--gen-key", "-n", "client.admin", *caps)
        self._run("ceph-authtool", "-C", str(monitor), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("ceph-authtool", str(monitor), "--import-keyring", str(self._admin))
        monmap, port = self.directory / "monmap", self.conf.split("mon_host = v2:")[1].split("/")[0]
        fsid = self.conf.split("fsid = ")[1].split()[0]
        self._run("monmaptool", "--create", "--addv", "a", f"[v2:{port}]", "--fsid", fsid, str(monmap))
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap), "--keyring", str(monitor))

    def _run(self, program: str, *words: str) -> str:
        command = [program, "-c", str(self._path), *words]
        if program in ("ceph-authtool", "monmaptool"):
            command = [program, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-1000:]}")
        return done.stdout

    def _spawn(self, program: str, *words: str) -> None:
        with (self.directory / f"{program}.log").open("wb") as log:
            command = [program, "-c", str(self._path), "-f", *words]
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _until(self, what: str, look) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                if look():
                    return
            time.sleep(0.2)
        raise RuntimeError(f"{what} does not come up: see {self.directory}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _configuration(directory: Path, port: int) -> str:
    return f"""[global]
fsid = {uuid.uuid4()}
mon_host = v2:{ADDRESS}:{port}/0
public_addr = {ADDRESS}
ms_bind_ipv6 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data = {directory}/mon.a
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_pool_default_pg_autoscale_mode = off
run_dir = {directory}
log_file = /dev/null
admin_socket =
"""


@contextlib.contextmanager
def private_ceph(directory: Path, *pools: str) -> Iterator[PrivateCeph]:
    cluster = PrivateCeph(directory)
    try:
        cluster.start(*pools)
        yield cluster
    finally:
        cluster.stop()
