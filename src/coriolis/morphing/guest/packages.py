"""Getting packages into the guest: from the conductor, the worker's own cache, or a mirror, in this order."""

import contextlib
import glob
import os
from typing import TYPE_CHECKING

from coriolis.morphing.guest.chroot import quiet_packages, worker_resolver
from coriolis.morphing.guest.commands import CommandFailure
from coriolis.morphing.guest.detect import parse_os_release
from coriolis.morphing.guest.dpkg import STATUS_FILE, architecture_of, package_of_file, parse_status
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.mounting import mounted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coriolis.morphing.guest.channel import Channel
    from coriolis.morphing.guest.chroot import Chroot
    from coriolis.morphing.guest.detect import OsRelease

_WORKER_CACHE = "/var/cache/apt/archives"
_DPKG_SECONDS = 600  # emulated processors take 20 s for four packages
_UPDATE_SECONDS = 180
_INSTALL_SECONDS = 420
_FETCH_SECONDS = 300
# Nothing is synced file by file: the disk is a copy that is thrown away unless it is unmounted in the end.
_DPKG = ("dpkg", "--force-unsafe-io", "--force-confold")
_IN_CHROOT = "/tmp/coriolis-packages"


class Installer:
    """`offered`: the conductor's package sets by name; `scratch`: an empty directory on the worker."""

    def __init__(
        self,
        chroot: "Chroot",
        release: "OsRelease",
        offered: "dict[str, tuple[str, ...]]",
        channel: "Channel",
        scratch: str,
    ) -> None:
        self._chroot = chroot
        self._release = release
        self._offered = offered
        self._channel = channel
        self._scratch = scratch

    def purge(self, names: "Sequence[str]") -> None:
        """With their configuration. Services of a cloud that is not there any more must not start."""
        with quiet_packages(self._chroot):
            self._chroot.run([*_DPKG, "--purge", *names], timeout=_DPKG_SECONDS)
        self._channel.changed(", ".join(names), "purged")

    def install(self, names: "Sequence[str]") -> bool:
        """Tries every way; false, after a warning for each that failed, if none has the packages."""
        ways = (
            ("the packages that Coriolis brought", self._from_conductor),
            ("the worker VM's package cache", self._from_worker),
            ("the guest's package mirror", self._from_mirror),
        )
        for place, way in ways:
            try:
                if way(names):
                    self._channel.changed(", ".join(names), "installed from " + place)
                    return True
            except MorphFailure as failure:
                self._channel.warn("Cannot install {} from {}: {}".format(", ".join(names), place, failure))
        return False

    def _from_conductor(self, names: "Sequence[str]") -> bool:
        package_set = self._release.package_set
        files = self._wanted_files(self._offered.get(package_set, ()), names)
        if not files:
            return False
        self._channel.step(f"Fetching {len(files)} packages of the set {package_set}")
        self._channel.fetch(package_set, files, self._scratch, _FETCH_SECONDS)
        self._unpack()
        return True

    def _from_worker(self, names: "Sequence[str]") -> bool:
        """Only between equal releases."""
        with open("/etc/os-release", encoding="utf-8") as source:
            if parse_os_release(source.read()).package_set != self._release.package_set:
                return False
        present = [os.path.basename(path) for path in glob.glob(os.path.join(_WORKER_CACHE, "*.deb"))]
        files = self._wanted_files(present, names)
        if not files:
            return False
        for name in files:
            os.symlink(os.path.join(_WORKER_CACHE, name), os.path.join(self._scratch, name))
        self._unpack()
        return True

    def _wanted_files(self, file_names: "Sequence[str]", names: "Sequence[str]") -> "list[str]":
        """Those of packages that the guest lacks; none at all if one of `names` is not among them."""
        status = parse_status(self._chroot.root.read_text(STATUS_FILE))
        present = {package.name for package in status if package.installed}
        fitting = ("all", architecture_of(status))
        chosen = {}
        for file_name in sorted(file_names):
            package = package_of_file(file_name)
            if package and package[0] not in present and package[1] in fitting:
                chosen[package[0]] = file_name
        return sorted(chosen.values()) if set(names) <= set(chosen) else []

    def _unpack(self) -> None:
        """Installs every package file in the scratch directory, and takes them out again if that fails."""
        root = self._chroot.root
        directory = root.resolve(_IN_CHROOT)
        os.makedirs(directory, exist_ok=True)
        files = sorted(os.listdir(self._scratch))
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(quiet_packages(self._chroot))
                for name in files:
                    source = os.path.realpath(os.path.join(self._scratch, name))
                    with open(os.path.join(directory, name), "wb"):
                        pass
                    stack.enter_context(mounted(source, os.path.join(directory, name), "", "bind,ro"))
                try:
                    paths = [f"{_IN_CHROOT}/{name}" for name in files]
                    self._chroot.run([*_DPKG, "--install", *paths], timeout=_DPKG_SECONDS)
                except CommandFailure:
                    added = [package[0] for package in map(package_of_file, files) if package]
                    self._chroot.run(
                        [*_DPKG, "--purge", "--force-depends", *added], timeout=_DPKG_SECONDS, check=False
                    )
                    raise
        finally:
            for name in files:
                os.remove(os.path.join(self._scratch, name))
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(directory, name))

    def _from_mirror(self, names: "Sequence[str]") -> bool:
        quick = [
            "-o",
            "Acquire::http::Timeout=10",
            "-o",
            "Acquire::https::Timeout=10",
            "-o",
            "Acquire::Retries=0",
        ]
        self._channel.step("Asking the guest's package mirror for {}".format(", ".join(names)))
        with worker_resolver(self._chroot):
            update = ["apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", *quick, "update"]
            self._chroot.run(update, timeout=_UPDATE_SECONDS)
            install = [
                "apt-get",
                "-qq",
                "-y",
                "--no-install-recommends",
                "-o",
                "Dpkg::Options::=--force-confold",
                "-o",
                "Dpkg::Options::=--force-unsafe-io",
                *quick,
            ]
            with quiet_packages(self._chroot):
                self._chroot.run([*install, "install", *names], timeout=_INSTALL_SECONDS)
        return True
