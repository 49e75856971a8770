"""The namespaces that the cloud lives in: made, entered and ended from outside.

tini is their first process: it collects what daemons leave behind, and the kernel ends everything else in a process
namespace with the first one.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from coriolis.runner import run
from testbed.openstack.saying import TestbedError, say
from testbed.openstack.settings import (
    API_GATEWAY,
    API_PREFIX,
    PUBLIC_GATEWAY,
    PUBLIC_PREFIX,
    Testbed,
    project_directory,
)
from testbed.openstack.waiting import wait_until

_NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
_MARK = "coriolis-openstack-testbed"  # last words of the first process' command line, to know it again
# (end in the enclosure, its name there, end on this machine, address and prefix of that)
_CABLES = (
    ("cos-api", "api", f"{API_GATEWAY}/{API_PREFIX}"),
    ("cos-public", "public", f"{PUBLIC_GATEWAY}/{PUBLIC_PREFIX}"),
)
_UP_SECONDS, _DOWN_SECONDS = 1500.0, 240.0


class Enclosure:
    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._file = testbed.root / "enclosure.pid"

    def pid(self) -> int | None:
        """The first process', as this machine counts; None when the enclosure is not there."""
        if not self._file.exists():
            return None
        pid = int(self._file.read_text())
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return None
        return pid if _MARK.encode() in words else None

    def open(self) -> None:
        """Does nothing when it is there. The cables lead into it afterwards."""
        if self.pid() is None:
            say("opening the enclosure: namespaces for mounts, network, processes and host name")
            self._create()
        for outer, inner, address in _CABLES:
            self._plug(outer, inner, address)

    def _create(self) -> None:
        shield = ["unshare", *_NAMESPACES, "--propagation", "private", "--fork", "--mount-proc"]
        # -g: what tini is told goes to the whole group of its child; the last word only marks it
        first = ["tini", "-g", "--", "sh", "-c", "exec sleep infinity", _MARK]
        with (self._testbed.log / "enclosure.log").open("ab") as log:
            outer = subprocess.Popen(
                [*shield, *first],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        deadline = time.monotonic() + 30
        while not (children.exists() and children.read_text().split()):
            if outer.poll() is not None or time.monotonic() > deadline:
                raise TestbedError(f"no namespaces; see {self._testbed.log}/enclosure.log")
            time.sleep(0.05)
        self._file.write_text(children.read_text().split()[0])
        wait_until("the enclosure", lambda: self.pid() is not None, 30)

    def _plug(self, outer: str, inner: str, address: str) -> None:
        """A virtual Ethernet pair: this machine's end has the address, the other end is the enclosure's."""
        if run(["ip", "link", "show", outer], check=False).returncode:
            pair = ["link", "add", outer, "type", "veth", "peer", "name", inner, "netns", str(self.pid())]
            run(["ip", *pair])
            run(["ip", "addr", "add", address, "dev", outer])
        run(["ip", "link", "set", outer, "up"])

    def command(self, *arguments: str) -> list[str]:
        """The words that run a program inside."""
        pid = self.pid()
        if pid is None:
            raise TestbedError("the testbed is down; bring it up with: make openstack-up")
        return ["nsenter", "--target", str(pid), *_NAMESPACES, "--wdns=/", "--", *arguments]

    def words(self, verb: str) -> list[str]:
        """The command that runs one of this package's inner commands."""
        package = [sys.executable, "-m", "testbed.openstack", "--root", str(self._testbed.root)]
        path = f"PYTHONPATH={project_directory()}"
        return self.command("env", path, *package, "inside", verb)

    def work(self, verb: str) -> None:
        """Runs one of this package's inner commands in front of the reader."""
        seconds = _DOWN_SECONDS if verb == "down" else _UP_SECONDS
        code = subprocess.run(
            self.words(verb), stdin=subprocess.DEVNULL, timeout=seconds, check=False
        ).returncode
        if code:
            raise TestbedError(f"`{verb}` inside the enclosure failed; logs are in {self._testbed.log}")

    def close(self) -> None:
        """Ends whatever still runs in it; namespaces, mounts and interfaces go with the last process."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            wait_until("the end of the enclosure", lambda: self.pid() is None, 60)
        self._file.unlink(missing_ok=True)
        for outer, _, _ in _CABLES:  # the kernel is slow to remove a namespace, and `up` may follow at once
            if run(["ip", "link", "show", outer], check=False).returncode == 0:
                run(["ip", "link", "del", outer], check=False)
