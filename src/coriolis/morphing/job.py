"""What an OSMorphing run is told."""

from dataclasses import dataclass
from pathlib import Path

from coriolis.model.enums import Firmware, OsType
from coriolis.model.morphing import MorphingProfile
from coriolis.model.worker import SshLogin, WorkerDisk


@dataclass(frozen=True, slots=True)
class MorphJob:
    """The worker's login, the guest's disks on it (boot disk first) and what the destination wants of the
    guest.

    `token` is the fencing token of the job's owner: of two programs on one worker the higher one stays.
    `user_scripts` are (phase, text) pairs; phases as in the wire format (`osmorphing_post_os_mount`…).
    """

    login: SshLogin
    disks: tuple[WorkerDisk, ...]
    token: int
    os_type: OsType
    firmware: Firmware
    profile: MorphingProfile
    offline_packages_dir: Path | None = None
    user_scripts: tuple[tuple[str, str], ...] = ()
    timeout: float = 1800.0
