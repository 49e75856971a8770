"""What the enclosure sees in place of this machine's directories. Runs inside, before any daemon.

Configuration starts as a copy of what the packages ship, state as empty directories; both are below the root.
"""

import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from coriolis.runner import run
from testbed.openstack.saying import TestbedError, say
from testbed.openstack.settings import API_ADDRESS, API_PREFIX, HOSTNAME, LOCALHOST, Testbed

_BEGUN, _DONE = Path("/run/testbed-mounts-begun"), Path("/run/testbed-mounts")
_NOVA_LIBVIRT = Path("/usr/lib/python3/dist-packages/nova/virt/libvirt/config.py")
_ALTERNATIVES = Path("/etc/alternatives")
_CONFIGURED = ("keystone", "placement", "glance", "nova", "neutron", "cinder", "swift", "libvirt", "ceph")


@dataclass(frozen=True)
class _State:
    """A directory below <root>/lib that is seen at `place`, with the user who owns it."""

    name: str
    place: Path
    user: str


_STATES = (
    *(_State(user, Path("/var/lib", user), user) for user in ("keystone", "placement", "glance", "nova")),
    *(_State(user, Path("/var/lib", user), user) for user in ("neutron", "cinder", "ceph", "rabbitmq")),
    _State("libvirt", Path("/var/lib/libvirt"), "root"),
    _State("qemu", Path("/var/lib/libvirt/qemu"), "libvirt-qemu"),
    _State("swift", Path("/srv/node/disk"), "swift"),
    _State("swift-cache", Path("/var/cache/swift"), "swift"),
    _State("libvirt-cache", Path("/var/cache/libvirt"), "root"),
)
# below /run, which is a memory file system of the enclosure's own
_RUN = {
    "ceph": "ceph",
    "nova": "nova",
    "neutron": "neutron",
    "libvirt": "root",
    "netns": "root",
    "uwsgi": "root",
}
_LOCKS = ("nova", "neutron", "cinder", "glance")


def prepare(testbed: Testbed) -> None:
    """Does nothing the second time in the life of an enclosure."""
    if _DONE.exists():
        return
    if _BEGUN.exists():
        raise TestbedError("an earlier start was broken off half-way; run `make openstack-down` first")
    say("mounting the testbed's directories over the machine's")
    _private_run()
    _BEGUN.touch()
    run(["hostname", HOSTNAME])
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "addr", "replace", f"{API_ADDRESS}/{API_PREFIX}", "dev", "api"])
    for interface in ("api", "public"):
        run(["ip", "link", "set", interface, "up"])
    run(["mount", "-t", "sysfs", "sysfs", "/sys"])  # shows the network interfaces of this namespace
    _log_directories(testbed)
    for service in _CONFIGURED:
        _configuration(testbed, service)
    for state in _STATES:
        _state(testbed, state)
    _names(testbed)
    _without_kvm(testbed)
    _bounded_translation_cache(testbed)
    _ebtables(testbed)
    _DONE.touch()


def _bind(source: Path, place: Path) -> None:
    run(["mount", "--bind", source, place])


def _private_run() -> None:
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    Path("/run/lock").mkdir(mode=0o1777)
    Path("/run/lock").chmod(0o1777)
    for name, user in _RUN.items():
        _owned(Path("/run", name), user)
    for user in _LOCKS:
        _owned(Path("/run/lock", user), user)


def _log_directories(testbed: Testbed) -> None:
    """Ceph and libvirt insist on files of their own; everyone else writes to its standard error."""
    for name, user in (("ceph", "ceph"), ("libvirt", "root")):
        _owned(testbed.log / name, user)
        place = Path("/var/log", name)
        place.mkdir(exist_ok=True)
        _bind(testbed.log / name, place)
    (testbed.log / "libvirt" / "qemu").mkdir(exist_ok=True)


def _configuration(testbed: Testbed, service: str) -> None:
    shipped, own = Path("/etc", service), testbed.etc / service
    if not shipped.exists():
        raise TestbedError(f"{shipped} is missing: is its package installed?")
    if not own.exists():
        if service == "ceph":  # ships nothing; what is there is another cluster's
            own.mkdir()
        else:
            run(["cp", "--archive", shipped, own])
            for domain in own.glob("qemu/*.xml"):  # guests of this machine's own libvirt
                domain.unlink()
    _bind(own, shipped)


def _state(testbed: Testbed, state: _State) -> None:
    own = testbed.lib / state.name
    _owned(own, state.user)
    state.place.mkdir(parents=True, exist_ok=True)
    _bind(own, state.place)


def _owned(directory: Path, user: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    account = pwd.getpwnam(user)
    shutil.chown(directory, account.pw_uid, account.pw_gid)


def _names(testbed: Testbed) -> None:
    hosts = testbed.etc / "hosts"
    hosts.write_text(f"{LOCALHOST}\tlocalhost {HOSTNAME}\n{API_ADDRESS}\tapi\n")
    _bind(hosts, Path("/etc/hosts"))


def _without_kvm(testbed: Testbed) -> None:
    """A /dev/kvm that cannot run a stock kernel makes libvirt probe QEMU anew at each start, a minute and more."""
    if Path("/dev/kvm").exists():
        mask = testbed.etc / "no-kvm"
        mask.touch(mode=0)
        _bind(mask, Path("/dev/kvm"))


def _bounded_translation_cache(testbed: Testbed) -> None:
    """Under TCG each guest may grow by QEMU's 1 GiB of translated code, and Nova before 2023.1 has no setting
    for it: the enclosure sees a copy of one module in which the domain's XML says 256 MiB."""
    text = _NOVA_LIBVIRT.read_text()
    if "tb-cache" in text:
        return
    anchor = "            root.append(features)\n"
    if text.count(anchor) != 1:
        raise TestbedError(f"{_NOVA_LIBVIRT} is not of the version that the testbed knows (Zed, 26.2)")
    addition = (
        '            if self.virt_type == "qemu":\n'
        '                tcg = etree.SubElement(features, "tcg")\n'
        '                etree.SubElement(tcg, "tb-cache", unit="MiB").text = "256"\n'
    )
    copy = testbed.etc / "nova-libvirt-config.py"
    copy.write_text(text.replace(anchor, addition + anchor))
    copy.chmod(0o644)
    _bind(copy, _NOVA_LIBVIRT)


def _ebtables(testbed: Testbed) -> None:
    """Our stand-in comes first by Debian's own mechanism: a symbolic link among the alternatives."""
    stand_in, links = testbed.etc / "ebtables", testbed.etc / "alternatives"
    shutil.copy(Path(__file__).with_name("ebtables.py"), stand_in)
    stand_in.chmod(0o755)
    shutil.rmtree(links, ignore_errors=True)
    shutil.copytree(_ALTERNATIVES, links, symlinks=True)
    (links / "ebtables").unlink(missing_ok=True)
    (links / "ebtables").symlink_to(stand_in)
    _bind(links, _ALTERNATIVES)
