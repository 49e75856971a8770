"""The two places the VM can come from: the embedded OpenStack, or a real one."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import openstack

from coriolis.runner import run
from demo.guest import Guest


@dataclass(frozen=True)
class SourceVm:
    """`connection_info` and `source_environment` as a user would write them into JSON files."""

    name: str
    guest: Guest
    connection_info: dict[str, Any]
    source_environment: dict[str, Any]
    network: str


class SourceSide(Protocol):
    def make(self) -> SourceVm: ...

    def left_behind(self) -> list[str]:
        """Names of resources that Coriolis should have removed."""


def made_by_coriolis(name: str) -> bool:
    """`coriolis-<8 of the job's id>-...`; what the demo itself makes is named coriolis-demo..."""
    return re.match(r"coriolis-[0-9a-f]{8}-", name) is not None


def left_behind(cloud: Any) -> list[str]:
    found = [
        *cloud.compute.servers(),
        *cloud.compute.keypairs(),
        *cloud.block_storage.volumes(),
        *cloud.block_storage.snapshots(),
        *cloud.network.security_groups(),
        *cloud.network.ports(),
    ]
    return [o.name for o in found if made_by_coriolis(o.name or "")]


class LabSource:
    """The server that the embedded OpenStack comes with."""

    def __init__(self, lab: dict[str, Any]) -> None:
        self._lab = lab

    def make(self) -> SourceVm:
        cloud, server = self._lab["openstack"], self._lab["openstack"]["source"]
        return SourceVm(
            name=server["name"],
            guest=Guest(server["address"], "root", Path(self._lab["key"])),
            connection_info={
                "identity_api_version": 3,
                "auth_url": cloud["auth_url"],
                "username": cloud["username"],
                "password": cloud["password"],
                "project_name": cloud["project"],
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            source_environment={
                "replica_export_mechanism": "coriolis_backups",
                "coriolis_backups_options": {
                    "export_image": cloud["worker_image"],
                    "export_flavor_name": cloud["worker_flavor"],
                    "export_network": cloud["network"],
                    "export_worker_use_fip": True,
                    "export_fip_pool_name": cloud["external_network"],
                },
            },
            network=cloud["network"],
        )

    def left_behind(self) -> list[str]:
        cloud = self._lab["openstack"]
        connection = openstack.connect(
            auth_url=cloud["auth_url"],
            username=cloud["username"],
            password=cloud["password"],
            project_name=cloud["project"],
            user_domain_name="Default",
            project_domain_name="Default",
        )
        return left_behind(connection)


def new_key(directory: Path) -> Path:
    key = directory / "id_ed25519"
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    return key
