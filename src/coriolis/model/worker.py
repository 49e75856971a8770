"""Temporary VMs and the disks attached to them."""

from dataclasses import dataclass
from typing import Literal

from coriolis.model.secret import Secret

GuestKind = Literal["linux", "windows"]
"""What a worker VM runs."""


@dataclass(frozen=True, slots=True)
class SshLogin:
    """How to log in to a worker VM: with `private_key` (OpenSSH PEM) or `password`, passwordless sudo.

    `host_key` is a known_hosts key field ("ssh-ed25519 AAAA...") where the cloud could tell it (console log);
    otherwise the first connection's key is pinned for the life of the worker. `ciphers` is the OpenSSH cipher
    list that suits the worker's processor; both are what `workers.ssh.wait_for_ssh` found out, so keep the
    login it returns."""

    address: str
    username: str
    port: int = 22
    private_key: Secret | None = None
    password: Secret | None = None
    host_key: str | None = None
    ciphers: str | None = None


@dataclass(frozen=True, slots=True)
class WinRmLogin:
    """How to log in to a Windows worker VM: as an administrator, by HTTPS with Basic authentication.

    `certificate` is the SHA-256 of the worker's certificate in hexadecimal digits. No cloud tells it, so the first
    connection's is pinned for the life of the worker: `workers.winrm.wait_for_winrm` gives the login with it, keep
    that one."""

    address: str
    username: str
    password: Secret
    port: int = 5986
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerDisk:
    """A disk attached to a worker VM, found in the guest by serial, never by order.

    The guest may show `serial` cut to its first 20 characters (virtio-blk, old QEMU): match by prefix.
    """

    disk_id: str
    serial: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class WorkerVm:
    """A temporary VM with the disks that were attached to it. `disks` in the instance's order."""

    id: str
    name: str
    login: SshLogin | WinRmLogin
    disks: tuple[WorkerDisk, ...] = ()
