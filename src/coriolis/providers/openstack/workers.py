"""Temporary worker VMs: key pair, security group, port, server, floating IP."""

import base64
import json
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from coriolis.errors import CloudError, CloudTimeout, Conflict, CoriolisError, DiskStillAttached
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WinRmLogin, WorkerDisk, WorkerVm
from coriolis.providers.base import Operation
from coriolis.providers.keys import new_key_pair, new_rsa_key_pair
from coriolis.providers.lifecycle import Patience, run_all, wait_until
from coriolis.providers.openstack.block_storage import Volumes
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.resources import Resources
from coriolis.providers.openstack.servers import Servers
from coriolis.providers.openstack.windows_password import WINDOWS_USER, wait_for_password
from coriolis.workers.ssh import wait_for_ssh
from coriolis.workers.winrm import wait_for_winrm

WORKER_USER = "coriolis"
_HOST_KEY = re.compile(r"^(ssh-ed25519 [A-Za-z0-9+/=]{60,})", re.MULTILINE)
# cloud-init prints the host keys at the end of its run, some seconds after sshd answers.
_CONSOLE_GRACE = Patience(timeout=10.0, interval=1.0)
_DETACH_SECONDS = (
    90.0  # a guest that lives lets a disk go within seconds; Nova itself tries for about a minute
)
_OFF = ("SHUTOFF", "ERROR", "DELETED", "SOFT_DELETED", "SUSPENDED", "SHELVED", "SHELVED_OFFLOADED")
_SSH_PORT, _WINRM_PORT = 22, 5986  # WinRM over TLS, as cloudbase-init sets it up


@dataclass(frozen=True, slots=True)
class FloatingIpPool:
    """An external network; `subnet_id` None: any of its subnets."""

    network_id: str
    subnet_id: str | None = None

    def attributes(self) -> dict[str, str]:
        """openstacksdk's, of a floating IP that comes from it."""
        subnet = {"subnet_id": self.subnet_id} if self.subnet_id else {}
        return {"floating_network_id": self.network_id, **subnet}


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What to boot, by ids.

    `pool` None: reached by its fixed address. `boot_volume_gb` None: from the image itself. `windows`: of an image
    with cloudbase-init, reached by WinRM.
    """

    role: str
    image_id: str
    flavor_id: str
    network_id: str
    pool: FloatingIpPool | None = None
    config_drive: bool = False
    boot_volume_gb: int | None = None
    boot_volume_type: str | None = None
    availability_zone: str | None = None
    storage_zone: str | None = None
    windows: bool = False


class Workers:
    """Everything of a worker carries the name `op.name(role)`: so it can be found again after a crash."""

    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._volumes = Volumes(client)
        self._resources = Resources(client)
        self._servers = Servers(client)

    def create(self, op: Operation, plan: WorkerPlan) -> WorkerVm:
        """Returns once the worker answers on SSH; a Windows worker, on WinRM with the password that it has told.

        The caller has removed what an earlier attempt left: the private key of that attempt died with it.
        """
        name = op.name(plan.role)
        key = new_rsa_key_pair() if plan.windows else new_key_pair()
        op.progress("Creating a worker VM")
        self._resources.ensure_key_pair(op, name, key.public)
        group_id = self._create_security_group(op, name, _ports(op, plan))
        port = {"network_id": plan.network_id, "security_group_ids": [group_id]}
        port_id = self._resources.ensure_port(op, name, port)
        server_id = self._create_server(op, name, plan, port_id, key.public)
        address = self._address(op, name, plan, port_id)
        self._servers.wait_active(op, server_id, "boot a worker VM")
        log_in = self._log_in_to_windows if plan.windows else self._log_in_to_linux
        return WorkerVm(id=server_id, name=name, login=log_in(op, name, server_id, address, key.private))

    def _log_in_to_linux(
        self, op: Operation, name: str, server_id: str, address: str, private_key: Secret
    ) -> SshLogin:
        op.progress("Waiting for SSH on the worker VM")
        host_key = self._host_key(op, server_id, address)
        login = SshLogin(address, WORKER_USER, private_key=private_key, host_key=host_key)
        return wait_for_ssh(login, name, op.settings.transfer.connect_timeout, op.check)

    def _log_in_to_windows(
        self, op: Operation, name: str, server_id: str, address: str, private_key: Secret
    ) -> WinRmLogin:
        op.progress("Waiting for the password of the worker VM")
        password = wait_for_password(self._client, op, server_id, private_key)
        op.progress("Waiting for WinRM on the worker VM")
        login = WinRmLogin(address, WINDOWS_USER, password, _WINRM_PORT)
        return wait_for_winrm(login, name, op.settings.transfer.winrm_connect_timeout, op.check)

    def create_with_disks(
        self, op: Operation, plan: WorkerPlan, disks: Sequence[tuple[str, str, int]]
    ) -> WorkerVm:
        """Boots a worker and attaches volumes, given as (source disk id, volume id, size in bytes)."""
        worker = self.create(op, plan)
        for number, (_, volume_id, _) in enumerate(disks):
            op.progress("Attaching disks to the worker VM", number, len(disks))
            self.attach(op, worker.id, volume_id)
        op.progress("Attaching disks to the worker VM", len(disks), len(disks))
        # libvirt gives a Cinder volume its id as the serial
        attached = tuple(WorkerDisk(disk_id, volume_id, size) for disk_id, volume_id, size in disks)
        return replace(worker, disks=attached)

    def runs(self, worker: WorkerVm) -> bool:
        server = self._servers.get(worker.id)
        return server is not None and server.status not in _OFF

    def attach(self, op: Operation, server_id: str, volume_id: str) -> None:
        compute = self._client.compute
        self._client.call(
            f"attach volume {volume_id} to the worker",
            lambda: compute.create_volume_attachment(server_id, volume=volume_id),
            idempotent=False,
        )
        read = partial(self._client.storage.get_volume, volume_id)
        self._volumes.wait(op, f"volume {volume_id}", read, "in-use")

    def delete(self, op: Operation, role: str, protected: Collection[str] = ()) -> None:
        """The server first and waited for: it holds everything else. `protected` volumes are detached before.

        Raises DiskStillAttached rather than have Nova delete one of them with the server.
        """
        name = op.name(role)
        for server_id in self._resources.server_ids(op, name) if protected else ():
            self._release(op, server_id, protected)
        self._resources.delete_server(op, name)
        run_all(
            [
                partial(self._resources.delete_floating_ip, op, name),
                partial(self._resources.delete_port, op, name),
                partial(self._resources.delete_security_group, op, name),
                partial(self._resources.delete_key_pair, op, name),
                partial(self._volumes.delete_volume, op, name),
                *(partial(self._volumes.wait_settled, op, volume_id) for volume_id in protected),
            ]
        )

    def _release(self, op: Operation, server_id: str, protected: Collection[str]) -> None:
        server = self._servers.get(server_id)
        held = self._held(server, protected)
        if not held:
            return
        patience = Patience(
            min(_DETACH_SECONDS, self._client.patience.timeout), self._client.patience.interval
        )
        try:
            for volume_id in held:
                self._servers.detach(op, server_id, volume_id, patience)
        except (CloudTimeout, Conflict):
            # A guest that hangs keeps its disks, and a server that is not up refuses. Nova then lets them go when
            # it deletes the server, unless they were meant to go with it.
            doomed = self._held(self._servers.get(server_id), protected, doomed=True)
            if doomed:
                reason = f"volume {', '.join(doomed)} is still attached, and would be deleted with it"
                raise DiskStillAttached(
                    cloud=self._client.cloud, action=f"delete server {server_id}", reason=reason
                ) from None

    @staticmethod
    def _held(server: Any | None, protected: Collection[str], *, doomed: bool = False) -> list[str]:
        """Ids of the protected volumes that the server has; `doomed`: only those that would go with it."""
        attached = (server.attached_volumes or ()) if server is not None else ()
        held = [entry for entry in attached if entry["id"] in protected]
        return [str(e["id"]) for e in held if not doomed or e.get("delete_on_termination")]

    def _create_security_group(self, op: Operation, name: str, ports: Sequence[tuple[int, int]]) -> str:
        network = self._client.network
        description = "Log-in to a temporary worker VM of Coriolis, and its disks' bytes"
        group_id = self._resources.ensure_security_group(op, name, description)
        rules = self._client.rows(
            "list security group rules",
            lambda: network.security_group_rules(security_group_id=group_id, direction="ingress"),
        )
        present = {(rule.port_range_min, rule.port_range_max) for rule in rules}
        for first, last in (wanted for wanted in ports if wanted not in present):
            rule = {
                "security_group_id": group_id,
                "direction": "ingress",
                "ether_type": "IPv4",
                "protocol": "tcp",
                "port_range_min": first,
                "port_range_max": last,
            }
            self._client.call(
                f"open the worker's ports {first} to {last}",
                partial(network.create_security_group_rule, **rule),
                idempotent=False,
            )
        return group_id

    def _create_server(
        self, op: Operation, name: str, plan: WorkerPlan, port_id: str, public_key: str
    ) -> str:
        attributes: dict[str, Any] = {
            "flavor_id": plan.flavor_id,
            "networks": [{"port": port_id}],
            "key_name": name,
        }
        if not plan.windows:
            attributes["user_data"] = _user_data(public_key)
        if plan.config_drive:
            attributes["config_drive"] = True
        if plan.availability_zone:
            attributes["availability_zone"] = plan.availability_zone
        if plan.boot_volume_gb is None:
            attributes["image_id"] = plan.image_id
        else:
            volume_id = self._create_boot_volume(op, name, plan, plan.boot_volume_gb)
            attributes["block_device_mapping"] = [_boot_from(volume_id)]
        return self._resources.ensure_server(op, name, attributes)

    def _create_boot_volume(self, op: Operation, name: str, plan: WorkerPlan, size_gb: int) -> str:
        zone = {"availability_zone": plan.storage_zone} if plan.storage_zone else {}
        volume_id = self._volumes.create(
            op, name, size_gb, plan.boot_volume_type, image_id=plan.image_id, **zone
        )
        self._volumes.wait_available(op, volume_id)
        return volume_id

    def _address(self, op: Operation, name: str, plan: WorkerPlan, port_id: str) -> str:
        network = self._client.network
        if plan.pool is not None:
            attributes = {**plan.pool.attributes(), "port_id": port_id}
            ip_id = self._resources.ensure_floating_ip(op, name, attributes)
            ip = self._client.call("read the floating IP", lambda: network.get_ip(ip_id))
            return str(ip.floating_ip_address)
        port = self._client.call("read the worker's port", lambda: network.get_port(port_id))
        addresses = [ip["ip_address"] for ip in port.fixed_ips or ()]
        if not addresses:
            reason = "the worker's network has no subnet that gives addresses"
            raise CloudError(cloud=self._client.cloud, action="create a worker VM", reason=reason)
        return str(min(addresses, key=lambda address: ":" in address))  # IPv4 first

    def _host_key(self, op: Operation, server_id: str, address: str) -> str | None:
        """From the console log, where cloud-init prints it; None where it does not show in time."""
        compute = self._client.compute

        def look() -> str | None:
            answer = self._client.call(
                "read the worker's console", lambda: compute.get_server_console_output(server_id)
            )
            found: list[str] = _HOST_KEY.findall(str(answer.get("output") or ""))
            return found[-1] if found else None  # an earlier boot may have had others

        def key_or_open_port() -> str | None:
            return look() or ("" if _port_is_open(address) else None)

        cloud, action = self._client.cloud, "read the worker's host key"
        connecting = Patience(op.settings.transfer.connect_timeout, self._client.patience.interval)
        try:
            early: str = wait_until(op, key_or_open_port, connecting, cloud=cloud, action=action)
            return early or wait_until(op, look, _CONSOLE_GRACE, cloud=cloud, action=action)
        except CloudTimeout:
            return None
        except CoriolisError as error:
            # Clouds may forbid or lack the console log: the key is then pinned at first contact.
            op.progress(f"The worker's console cannot be read: {error.message}")
            return None


def _user_data(public_key: str) -> str:
    """A user of our own: the image's default user cannot be known. JSON is YAML; Nova wants it in Base64."""
    user = {
        "name": WORKER_USER,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "shell": "/bin/bash",
        "lock_passwd": True,
        "ssh_authorized_keys": [public_key],
    }
    text = "#cloud-config\n" + json.dumps({"users": ["default", user]}) + "\n"
    return base64.b64encode(text.encode()).decode()


def _boot_from(volume_id: str) -> dict[str, Any]:
    return {
        "boot_index": 0,
        "uuid": volume_id,
        "source_type": "volume",
        "destination_type": "volume",
        "delete_on_termination": False,  # the ledger holds it, and we delete it ourselves
    }


def _port_is_open(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=2):
            return True
    except OSError:
        return False


def _ports(op: Operation, plan: WorkerPlan) -> list[tuple[int, int]]:
    """First and last of each range that a worker is reached at."""
    if plan.windows:
        return [(_WINRM_PORT, _WINRM_PORT)]
    transfer = op.settings.transfer
    agents = [] if transfer.route == "ssh" else [transfer.agent_ports]
    return [(_SSH_PORT, _SSH_PORT), *(ports for ports in agents if ports != (0, 0))]
