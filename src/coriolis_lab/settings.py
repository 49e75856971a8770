"""Delays and other knobs of the embedded clouds."""

from dataclasses import dataclass, field
from pathlib import Path

from coriolis_lab.openstack.releases import ZED, Release


@dataclass
class Delays:
    """Seconds that asynchronous work takes besides what the hypervisor itself needs.

    `transfer`: how often the oVirt engine looks after image transfers and backups, and so how long a phase lasts.

    `no_agent`: an oVirt VM whose guest agent stays silent counts as up after so long (60 on a real host).

    Tests use the defaults; a real cloud takes 5 to 20 s for most of them (`realistic()`).
    """

    disk: float = 0.2
    snapshot: float = 0.2
    server: float = 0.3
    attach: float = 0.2
    delete: float = 0.2
    agent_poll: float = 1.0
    no_agent: float = 10.0
    transfer: float = 0.2

    @classmethod
    def realistic(cls) -> "Delays":
        return cls(
            disk=8.0,
            snapshot=6.0,
            server=6.0,
            attach=3.0,
            delete=6.0,
            agent_poll=5.0,
            no_agent=60.0,
            transfer=3.0,
        )


@dataclass
class LabSettings:
    """`root` holds run-time state and dies with the lab; `cache` holds guest images and boot snapshots and stays.

    `ovirt_look`: the age of the engine, a name of `ovirt.look.LOOKS`.
    """

    root: Path
    cache: Path = Path("/var/cache/coriolis-lab")
    openstack_port: int = 0
    ovirt_port: int = 0
    ovirt_look: str = "4.5"
    token_seconds: float = 3600.0
    openstack_release: Release = ZED
    delays: Delays = field(default_factory=Delays)
