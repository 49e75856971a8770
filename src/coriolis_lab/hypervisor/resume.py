"""Starts a VM from a boot snapshot and has it take its own identity before its network opens."""

import base64
import json
import secrets
import time

from coriolis_lab.hypervisor import blockdev, identity
from coriolis_lab.hypervisor.agent import GuestAgent
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.hypervisor.boot_snapshot import BootSnapshot
from coriolis_lab.hypervisor.command_line import MemoryFile
from coriolis_lab.hypervisor.layers import Disk
from coriolis_lab.hypervisor.migration import load_state
from coriolis_lab.hypervisor.topology import CD_ID
from coriolis_lab.hypervisor.vm import VirtualMachine

_AGENT_SECONDS = 120.0  # a cold boot, which is what else there is, takes longer
_IDENTITY_SECONDS = 600.0
_POLL_SECONDS = 0.2  # each question costs the guest what it needs to get ready


def resume(machine: VirtualMachine, snapshot: BootSnapshot, disks: list[Disk], boot_disk_size: int) -> None:
    """`disks` in the order of `machine.disks`, the first one based on the snapshot's disk.

    `boot_disk_size` is what the VM shall see: it grows to that after the resume.
    """
    machine.write_config_drive()
    machine.launch(
        [machine.place_boot_disk(disks[0].top)],
        nics=[],
        config_drive=False,
        memory=MemoryFile(snapshot.memory, shared=False),
        incoming=True,
    )
    load_state(machine.monitor, snapshot.state)
    _insert_config_drive(machine)
    machine.monitor.execute("cont")
    if boot_disk_size > disks[0].top.size:
        machine.resize(disks[0].id, boot_disk_size)
        disks[0].top.size = boot_disk_size
    for disk, stored in list(zip(machine.disks.values(), disks, strict=True))[1:]:
        machine.plug(disk, stored.top)
    machine.plug_nics()
    _give_identity(machine, snapshot.identity_pid)
    machine.open_network()


def _insert_config_drive(machine: VirtualMachine) -> None:
    node = blockdev.cd_node(str(machine.paths.config_drive))
    machine.monitor.execute("blockdev-add", node)
    machine.monitor.execute("blockdev-insert-medium", {"id": CD_ID, "node-name": node["node-name"]})
    machine.monitor.execute("blockdev-close-tray", {"id": CD_ID})


def _give_identity(machine: VirtualMachine, pid: int) -> None:
    order = {
        "time": time.time(),
        "seed": base64.b64encode(secrets.token_bytes(64)).decode(),
        "machine_id": secrets.token_hex(16),
        "mac": next(iter(machine.nics), None),
    }
    with GuestAgent(machine.paths.agent, _AGENT_SECONDS) as agent:
        agent.write_file(identity.PIPE, json.dumps(order).encode() + b"\n")
        _await_ready(agent, pid)


def _await_ready(agent: GuestAgent, pid: int) -> None:
    deadline = time.monotonic() + _IDENTITY_SECONDS
    while not agent.file_exists(identity.READY):
        status = agent.status(pid)
        if status.ended:
            raise HypervisorError(f"the guest did not take its identity: {status.errors or status.output}")
        if time.monotonic() > deadline:
            raise HypervisorError(f"the guest did not take its identity within {_IDENTITY_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)
