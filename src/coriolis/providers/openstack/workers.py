"""Temporary worker VMs: key pair, security group, port, server, floating IP."""

import base64
import json
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from coriolis.errors import CloudError, CloudTimeout, CoriolisError
from coriolis.model.enums import ResourceKind
from coriolis.model.worker import SshLogin, WorkerVm
from coriolis.providers.base import Operation
from coriolis.providers.keys import KeyPair, new_key_pair
from coriolis.providers.lifecycle import (
    Patience,
    create_resource,
    remove_resource,
    run_all,
    wait_until,
)
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.volumes import ExportVolumes
from coriolis.workers.ssh import wait_for_ssh

WORKER_USER = "coriolis"
_HOST_KEY = re.compile(r"^(ssh-ed25519 [A-Za-z0-9+/=]{60,})", re.MULTILINE)
# cloud-init prints the host keys at the end of its run, some seconds after sshd answers.
_CONSOLE_GRACE = Patience(timeout=10.0, interval=1.0)


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What to boot, by ids.

    `fip_network_id` None: reached by its fixed address. `boot_volume_gb` None: from the image itself.
    """

    role: str
    image_id: str
    flavor_id: str
    network_id: str
    fip_network_id: str | None = None
    config_drive: bool = False
    boot_volume_gb: int | None = None
    boot_volume_type: str | None = None


class Workers:
    """Everything of a worker carries the name `op.name(role)`: so it can be found again after a crash."""

    def __init__(self, client: OpenStackClient) -> None:
        self._client = client
        self._volumes = ExportVolumes(client)

    def create(self, op: Operation, plan: WorkerPlan) -> WorkerVm:
        """Returns once the worker answers on SSH.

        The caller has removed what an earlier attempt left: the private key of that attempt died with it.
        """
        name = op.name(plan.role)
        key = new_key_pair()
        op.progress("Creating a worker VM")
        self._create_key_pair(op, name, key)
        group_id = self._create_security_group(op, name)
        port_id = self._create_port(op, name, plan.network_id, group_id)
        server_id = self._create_server(op, name, plan, port_id, key)
        address = (
            self._create_floating_ip(op, name, plan.fip_network_id, port_id)
            if plan.fip_network_id
            else self._fixed_address(port_id)
        )
        self._wait_active(op, server_id)
        op.progress("Waiting for SSH on the worker VM")
        host_key = self._host_key(op, server_id, address)
        login = SshLogin(address, WORKER_USER, private_key=key.private, host_key=host_key)
        login = wait_for_ssh(login, name, op.settings.transfer.connect_timeout, op.check)
        return WorkerVm(id=server_id, name=name, login=login)

    def attach(self, op: Operation, server_id: str, volume_id: str) -> None:
        compute = self._client.compute
        self._client.call(
            f"attach volume {volume_id} to the worker",
            lambda: compute.create_volume_attachment(server_id, volume=volume_id),
            idempotent=False,
        )
        read = partial(self._client.storage.get_volume, volume_id)
        self._volumes.wait(op, f"volume {volume_id}", read, "in-use")

    def delete(self, op: Operation, role: str) -> None:
        """The server first and waited for: it holds everything else."""
        name = op.name(role)
        self._delete_server(op, name)
        run_all(
            [
                partial(self._delete_floating_ip, op, name),
                partial(self._delete_port, op, name),
                partial(self._delete_security_group, op, name),
                partial(self._delete_key_pair, op, name),
                partial(self._volumes.delete_volume, op, name),
            ]
        )

    def _create_key_pair(self, op: Operation, name: str, key: KeyPair) -> None:
        compute = self._client.compute
        create_resource(
            op,
            ResourceKind.KEYPAIR,
            name,
            find=lambda: next(iter(self._key_pairs(name)), None),
            create=lambda: str(
                self._client.call(
                    "create a key pair",
                    lambda: compute.create_keypair(name=name, public_key=key.public),
                    idempotent=False,
                ).name
            ),
            discard=self._discard(compute.delete_keypair),
        )

    def _create_security_group(self, op: Operation, name: str) -> str:
        network = self._client.network

        def create() -> str:
            attributes = {"name": name, "description": "SSH to a temporary worker VM of Coriolis"}
            group = self._client.call(
                "create a security group",
                lambda: network.create_security_group(**attributes),
                idempotent=False,
            )
            return str(group.id)

        group_id = create_resource(
            op,
            ResourceKind.SECURITY_GROUP,
            name,
            find=lambda: next(iter(self._network_ids("security_groups", name=name)), None),
            create=create,
            discard=self._discard(network.delete_security_group),
        )
        rules = self._client.rows(
            "list security group rules",
            lambda: network.security_group_rules(security_group_id=group_id, direction="ingress"),
        )
        if not any(rule.port_range_min == 22 for rule in rules):
            rule = {
                "security_group_id": group_id,
                "direction": "ingress",
                "ether_type": "IPv4",
                "protocol": "tcp",
                "port_range_min": 22,
                "port_range_max": 22,
            }
            self._client.call(
                "allow SSH to the worker",
                lambda: network.create_security_group_rule(**rule),
                idempotent=False,
            )
        return group_id

    def _create_port(self, op: Operation, name: str, network_id: str, group_id: str) -> str:
        network = self._client.network

        def create() -> str:
            port = self._client.call(
                "create a port",
                lambda: network.create_port(name=name, network_id=network_id, security_group_ids=[group_id]),
                idempotent=False,
            )
            return str(port.id)

        return create_resource(
            op,
            ResourceKind.PORT,
            name,
            find=lambda: next(iter(self._network_ids("ports", name=name)), None),
            create=create,
            discard=self._discard(network.delete_port),
        )

    def _create_server(self, op: Operation, name: str, plan: WorkerPlan, port_id: str, key: KeyPair) -> str:
        compute = self._client.compute
        attributes: dict[str, Any] = {
            "name": name,
            "flavor_id": plan.flavor_id,
            "networks": [{"port": port_id}],
            "key_name": name,
            "user_data": _user_data(key.public),
        }
        if plan.config_drive:
            attributes["config_drive"] = True
        if plan.boot_volume_gb is None:
            attributes["image_id"] = plan.image_id
        else:
            volume_id = self._volumes.create_boot_volume(
                op, name, plan.image_id, plan.boot_volume_gb, plan.boot_volume_type
            )
            attributes["block_device_mapping"] = [_boot_from(volume_id)]
        return create_resource(
            op,
            ResourceKind.SERVER,
            name,
            find=lambda: next(iter(self._servers(name)), None),
            create=lambda: str(
                self._client.call(
                    "create a worker VM", lambda: compute.create_server(**attributes), idempotent=False
                ).id
            ),
            discard=self._discard(compute.delete_server),
        )

    def _create_floating_ip(self, op: Operation, name: str, pool_id: str, port_id: str) -> str:
        """Floating IPs have no name: the description stands for it."""
        network = self._client.network
        attributes = {"floating_network_id": pool_id, "port_id": port_id, "description": name}

        def create() -> str:
            made = self._client.call(
                "create a floating IP", lambda: network.create_ip(**attributes), idempotent=False
            )
            return str(made.id)

        ip_id = create_resource(
            op,
            ResourceKind.FLOATING_IP,
            name,
            find=lambda: next(iter(self._network_ids("ips", description=name)), None),
            create=create,
            discard=self._discard(network.delete_ip),
        )
        ip = self._client.call("read the floating IP", lambda: network.get_ip(ip_id))
        return str(ip.floating_ip_address)

    def _fixed_address(self, port_id: str) -> str:
        port = self._client.call("read the worker's port", lambda: self._client.network.get_port(port_id))
        addresses = [ip["ip_address"] for ip in port.fixed_ips or ()]
        if not addresses:
            reason = "the worker's network has no subnet that gives addresses"
            raise CloudError(cloud=self._client.cloud, action="create a worker VM", reason=reason)
        return str(min(addresses, key=lambda address: ":" in address))  # IPv4 first

    def _wait_active(self, op: Operation, server_id: str) -> None:
        compute = self._client.compute

        def look() -> bool | None:
            server = self._client.call("read the worker VM", lambda: compute.get_server(server_id))
            if server.status == "ERROR":
                fault = (server.fault or {}).get("message", "Nova gives no reason")
                reason = f"server {server.name} is in ERROR: {fault}"
                raise CloudError(cloud=self._client.cloud, action="boot a worker VM", reason=reason)
            return True if server.status == "ACTIVE" else None

        action = "boot a worker VM"
        wait_until(op, look, self._client.patience, cloud=self._client.cloud, action=action)

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

    def _servers(self, name: str) -> list[str]:
        compute = self._client.compute
        listed = self._client.rows(
            "list servers", lambda: compute.servers(details=False, name=f"^{re.escape(name)}$")
        )
        return [server.id for server in listed if server.name == name]

    def _key_pairs(self, name: str) -> list[str]:
        compute = self._client.compute
        return [name] if self._there("key pair", partial(compute.get_keypair, name)) else []

    def _network_ids(self, collection: str, **query: str) -> list[str]:
        listing = getattr(self._client.network, collection)
        return [item.id for item in self._client.rows(f"list {collection}", lambda: listing(**query))]

    def _discard(self, delete: Callable[[str], Any]) -> Callable[[str], object]:
        return lambda id_: self._client.call("delete what was made twice", lambda: delete(id_))

    def _there(self, kind: str, read: Callable[[], Any]) -> bool:
        return self._client.optional(f"read {kind}", read) is not None

    def _delete_server(self, op: Operation, name: str) -> None:
        compute = self._client.compute
        find = partial(self._servers, name)
        self._remove(
            op, ResourceKind.SERVER, name, find=find, delete=compute.delete_server, get=compute.get_server
        )

    def _delete_floating_ip(self, op: Operation, name: str) -> None:
        network = self._client.network
        find = partial(self._network_ids, "ips", description=name)
        self._remove(
            op, ResourceKind.FLOATING_IP, name, find=find, delete=network.delete_ip, get=network.get_ip
        )

    def _delete_port(self, op: Operation, name: str) -> None:
        network = self._client.network
        find = partial(self._network_ids, "ports", name=name)
        self._remove(op, ResourceKind.PORT, name, find=find, delete=network.delete_port, get=network.get_port)

    def _delete_security_group(self, op: Operation, name: str) -> None:
        network = self._client.network
        find = partial(self._network_ids, "security_groups", name=name)
        delete, get = network.delete_security_group, network.get_security_group
        self._remove(op, ResourceKind.SECURITY_GROUP, name, find=find, delete=delete, get=get)

    def _delete_key_pair(self, op: Operation, name: str) -> None:
        compute = self._client.compute
        find = partial(self._key_pairs, name)
        delete, get = compute.delete_keypair, compute.get_keypair
        self._remove(op, ResourceKind.KEYPAIR, name, find=find, delete=delete, get=get)

    def _remove(
        self,
        op: Operation,
        kind: ResourceKind,
        name: str,
        *,
        find: Callable[[], Iterable[str]],
        delete: Callable[[str], Any],
        get: Callable[[str], Any],
    ) -> None:
        what = kind.replace("_", " ")
        remove_resource(
            op,
            kind,
            name,
            find=find,
            delete=lambda id_: self._client.call(f"delete {what} {name}", lambda: delete(id_)),
            exists=lambda id_: self._there(what, lambda: get(id_)),
            patience=self._client.patience,
            cloud=self._client.cloud,
        )


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
