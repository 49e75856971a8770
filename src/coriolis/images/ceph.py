"""A connection to a Ceph cluster through librados and its Python bindings, which come with the distribution
(python3-rados, python3-rbd) and not from PyPI: they are looked for where Debian and others put them.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from coriolis.model.secret import Secret

_DISTRIBUTION_PATHS = ("/usr/lib/python3/dist-packages", "/usr/lib64/python3/site-packages")
_SHORTEST_IO_TIMEOUT = 120  # seconds: an OSD that restarts is no reason to give a disk up


class CephMissingError(Exception):
    """The bindings are not installed for this interpreter."""


@dataclass(frozen=True, slots=True)
class CephCluster:
    """`conf`: the text of ceph.conf; `user` without "client."; `timeout`: seconds for the cluster to answer."""

    conf: str
    user: str
    cluster: str = "ceph"
    timeout: int = 30


def binding(name: str) -> ModuleType:
    """`rados` or `rbd`. Raises CephMissingError."""
    try:
        return importlib.import_module(name)
    except ImportError:
        pass
    version = f"/usr/lib64/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    for directory in (*_DISTRIBUTION_PATHS, version):
        tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
        for path in Path(directory).glob(f"{name}.{tag}-*.so"):
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is None or spec.loader is None:
                continue
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            return module
    version_text = ".".join(map(str, sys.version_info[:2]))
    raise CephMissingError(
        f"there is no Python binding {name} for Python {version_text} on this conductor: install python3-{name}"
    )


def missing_bindings() -> str:
    """Why RBD images cannot be opened on this host; empty where they can."""
    try:
        for name in ("rados", "rbd"):
            binding(name)
    except CephMissingError as error:
        return str(error)
    return ""


@contextmanager
def connected(cluster: CephCluster, key: Secret) -> Iterator[Any]:
    """A `rados.Rados`. Raises CephMissingError and `rados.Error` kinds."""
    rados = binding("rados")
    connection = connect(rados, cluster, key)
    try:
        yield connection
    finally:
        connection.shutdown()


def connect(rados: ModuleType, cluster: CephCluster, key: Secret) -> Any:
    """ceph.conf goes through memory and the key through no file at all."""
    descriptor = os.memfd_create("ceph.conf")
    try:
        os.write(descriptor, cluster.conf.encode())
        connection = rados.Rados(
            rados_id=cluster.user, clustername=cluster.cluster, conffile=f"/proc/self/fd/{descriptor}"
        )
    finally:
        os.close(descriptor)
    settings = {
        "key": key.reveal(),
        "keyring": "/dev/null",
        "log_file": "",
        "admin_socket": "",
        "client_mount_timeout": str(cluster.timeout),
        "rados_mon_op_timeout": str(cluster.timeout),
        "rados_osd_op_timeout": str(max(_SHORTEST_IO_TIMEOUT, cluster.timeout)),
    }
    for name, value in settings.items():
        connection.conf_set(name, value)
    connection.connect(timeout=cluster.timeout)
    return connection
