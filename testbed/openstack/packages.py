"""The Debian packages of the cloud, installed without starting any of their daemons."""

from pathlib import Path

from coriolis.runner import run
from testbed.openstack.saying import TestbedError, say

_LIST = Path(__file__).with_name("packages.txt")
_POLICY = Path("/usr/sbin/policy-rc.d")
_INSTALL_SECONDS = 1800.0


def wanted() -> list[str]:
    return _LIST.read_text().split()


def missing() -> list[str]:
    done = run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted()], check=False)
    installed = {line.split()[0] for line in done.text.splitlines() if line.endswith(" installed")}
    return [package for package in wanted() if package not in installed]


def install() -> None:
    """Minutes on a fresh machine, nothing when all are there. Raises TestbedError with apt's last words."""
    absent = missing()
    if not absent:
        say("Debian packages: all there")
        return
    say(f"Debian packages: installing {len(absent)} and what they need")
    run(["apt-get", "update", "-qq"], timeout=_INSTALL_SECONDS)
    ours = not _POLICY.exists()
    if ours:  # Debian's way of saying that no package may start its service
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        options = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
        done = run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *options, *absent],
            timeout=_INSTALL_SECONDS,
            env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
            check=False,
        )
    finally:
        if ours:
            _POLICY.unlink()
    if done.returncode:
        raise TestbedError(f"apt-get failed: {(done.stderr or done.stdout)[-2000:].decode(errors='replace')}")
    say(f"Debian packages: installed in {done.seconds:.0f} s")
