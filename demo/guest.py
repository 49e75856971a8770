"""A shell on a guest, as its owner would have it: the OpenSSH client and a key."""

import sys
import time
from pathlib import Path

from coriolis.errors import CommandFailed
from coriolis.runner import run

_OPTIONS = [
    *("-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"),
    # the migrated VM answers at a new address with the old host key; the demo keeps no known_hosts
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
]


class Guest:
    def __init__(self, address: str, user: str, key: Path) -> None:
        self.address = address
        self.user = user
        self.key = key

    @property
    def login(self) -> str:
        return f"ssh -i {self.key} {self.user}@{self.address}"

    def run(self, script: str, timeout: float = 120) -> str:
        done = run(
            ["ssh", *_OPTIONS, "-i", self.key, f"{self.user}@{self.address}", "sh -s"],
            stdin=script.encode(),
            timeout=timeout,
        )
        return done.text.strip()

    def wait(self, seconds: float = 600) -> float:
        """Until a command works; the seconds it took."""
        began = time.monotonic()
        while True:
            try:
                self.run("true", timeout=30)
            except CommandFailed as error:
                if time.monotonic() - began > seconds:
                    sys.exit(f"demo: no SSH at {self.address} after {seconds:.0f} s: {error}")
                time.sleep(2)
            else:
                return time.monotonic() - began

    def digest(self, path: str) -> str:
        return self.run(f"sudo sha256sum {path} 2>/dev/null || sha256sum {path}").split()[0]
