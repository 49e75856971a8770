"""The oVirt side of the story, seen through the oVirt SDK as any other client would see it."""

import re
import sys
import time
from typing import Any

import ovirtsdk4

from demo.source import made_by_coriolis


class OvirtSide:
    def __init__(self, ovirt: dict[str, Any]) -> None:
        self._ovirt = ovirt
        self.network: str = ovirt["network"]
        self.connection_info = {
            "url": ovirt["url"],
            "username": ovirt["username"],
            "password": ovirt["password"],
            "allow_untrusted": True,
        }
        self.environment = {
            "cluster": ovirt["cluster"],
            "storage_domain": ovirt["storage_domain"],
            "migr_template_map": {"linux": ovirt["template"]},
        }

    def _connect(self) -> ovirtsdk4.Connection:
        o = self._ovirt
        return ovirtsdk4.Connection(
            url=o["url"], username=o["username"], password=o["password"], ca_file=o["ca_file"], timeout=60
        )

    def wait_for_agent(self, name: str, seconds: float = 600) -> tuple[str, list[str]]:
        """The VM's address and what its agent told the engine."""
        connection = self._connect()
        try:
            deadline = time.monotonic() + seconds
            vms = connection.system_service().vms_service()
            while time.monotonic() < deadline:
                for vm in vms.list(search=f'name="{name}"'):
                    devices = vms.vm_service(vm.id).reported_devices_service().list()
                    # the agent tells of the loopback device too
                    nics = [device for device in devices if device.name != "lo"]
                    addresses = [
                        (n.name, ip.address) for n in nics for ip in n.ips or [] if ":" not in ip.address
                    ]
                    if addresses:
                        told = [
                            f"{vm.name} is {vm.status}, {vm.memory >> 20} MiB, in {self._ovirt['cluster']}"
                        ]
                        told += [f"guest agent: {device} has {address}" for device, address in addresses]
                        return addresses[0][1], told
                time.sleep(2)
        finally:
            connection.close()
        sys.exit(f"demo: no guest agent answers in {name} after {seconds:.0f} s")

    def left_behind(self) -> list[str]:
        """VMs and disks of Coriolis but for the replicas and the disks of the VMs that it deployed."""
        connection = self._connect()
        try:
            system = connection.system_service()
            found = [*system.vms_service().list(), *system.disks_service().list()]
        finally:
            connection.close()
        ours = [item.name for item in found if made_by_coriolis(item.name)]
        return [name for name in ours if not re.search(r"-(replica|disk)-\d+$", name)]
