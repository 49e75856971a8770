"""The cache of guest images: what is there, and building what is not.

    <cache>/images/<name>-<fingerprint>.raw    system and data disks
    <cache>/packages/debian-12/*.deb           the guest agent and what it needs, for OSMorphing without a mirror
    <cache>/keys/id_ed25519                    logs in to the source guest as root
    <cache>/logs/<recipe>.log

A fingerprint covers the recipe and the code that builds it: an image whose recipe changed is built anew.
Builders of the same recipe wait for one another; an image appears under its name only when it is complete.
"""

import ast
import dataclasses
import fcntl
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from coriolis.runner import run
from coriolis_lab.guests import bootloader, disk_image, keys, recipes, tree
from coriolis_lab.guests.recipes import DataDisk, GuestFile, RootRecipe

WORKER_IMAGE = "worker"
SOURCE_IMAGE = "source"
SOURCE_UEFI_IMAGE = "source-uefi"
SOURCE_DATA_IMAGE = "source-data"
IMAGE_FORMAT = "raw"

_BUILD_SECONDS = 1800.0
_KEEP_OUTDATED_SECONDS = 24 * 3600.0
_BUILDER_MODULES = (tree, bootloader, disk_image)

Report = Callable[[str], None]


def _quiet(_: str) -> None:
    pass


class GuestLibrary:
    """`ensure()` is cheap when everything is there; `image()` gives the path of an image that is."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.packages_dir = cache / "packages" / "debian-12"
        with exclusive(cache / "locks" / "keys"):
            self.private_key = keys.ensure_key_pair(cache)

    def image(self, name: str) -> Path:
        return self.cache / "images" / f"{name}-{self._fingerprint(self._maker(name))}.raw"

    def ensure(self, names: Sequence[str] | None = None, report: Report = _quiet) -> None:
        """Builds what is missing of the named images (all by default), two at a time."""
        wanted = names if names is not None else self.image_names()
        makers = {maker.name: maker for maker in map(self._maker, wanted)}
        with ThreadPoolExecutor(max_workers=2) as pool:
            for done in [pool.submit(self._ensure_maker, maker, report) for maker in makers.values()]:
                done.result()

    def image_names(self) -> list[str]:
        return [name for maker in self._makers() for name in _image_names(maker)]

    def _makers(self) -> list[RootRecipe | DataDisk]:
        trusted = {
            "/root/.ssh/authorized_keys": GuestFile(keys.public_key(self.private_key) + "\n", 0o600),
            **recipes.SOURCE.files,
        }
        return [recipes.WORKER, dataclasses.replace(recipes.SOURCE, files=trusted), recipes.SOURCE_DATA]

    def _maker(self, image_name: str) -> RootRecipe | DataDisk:
        for maker in self._makers():
            if image_name in _image_names(maker):
                return maker
        raise ValueError(f"the lab has no recipe for an image named {image_name!r}")

    def _ensure_maker(self, maker: RootRecipe | DataDisk, report: Report) -> None:
        with exclusive(self.cache / "locks" / f"image-{maker.name}"):
            targets = [self.image(name) for name in _image_names(maker)]
            if all(target.exists() for target in targets) and self._packages_are_there(maker):
                return
            report(f"building {maker.name} from Debian packages")
            self._build(maker, targets)
            report(f"built {', '.join(_image_names(maker))}")

    def _packages_are_there(self, maker: RootRecipe | DataDisk) -> bool:
        wanted = maker.offline_packages if isinstance(maker, RootRecipe) else ()
        return all(any(self.packages_dir.glob(f"{package}_*.deb")) for package in wanted)

    def _build(self, maker: RootRecipe | DataDisk, targets: Sequence[Path]) -> None:
        images = self.cache / "images"
        logs = self.cache / "logs"
        for directory in (images, logs, self.packages_dir.parent):
            directory.mkdir(parents=True, exist_ok=True)
        with scratch_directory(images / f".new-{maker.name}") as scratch:
            order = scratch / "order.json"
            order.write_text(json.dumps(dataclasses.asdict(maker)))
            # mounts of the build must not be copied into namespaces that other programs create meanwhile
            namespace = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc"]
            builder = [sys.executable, "-m", "coriolis_lab.guests.build", str(order), str(scratch)]
            # ...and no process of it may outlive this one: the PID namespace ends with its first process
            tied = ["setpriv", "--pdeathsig", "KILL", *namespace, "--kill-child=KILL"]
            done = run([*tied, *builder], timeout=_BUILD_SECONDS, check=False)
            (logs / f"{maker.name}.log").write_bytes(done.stdout + done.stderr)
            if done.returncode:
                tail = (done.stderr or done.stdout)[-1500:].decode(errors="replace")
                raise RuntimeError(f"the build of guest {maker.name!r} failed: {tail}")
            self._publish(maker, targets, scratch)

    def _publish(self, maker: RootRecipe | DataDisk, targets: Sequence[Path], scratch: Path) -> None:
        packages = scratch / "packages"
        if packages.is_dir():
            shutil.rmtree(self.packages_dir, ignore_errors=True)
            packages.rename(self.packages_dir)
        for name, target in zip(_image_names(maker), targets, strict=True):
            for outdated in target.parent.glob(f"{name}-{'[0-9a-f]' * 16}.raw"):
                # another lab may still start VMs from a younger one
                if time.time() - outdated.stat().st_mtime > _KEEP_OUTDATED_SECONDS:
                    outdated.unlink()
            (scratch / f"{name}.raw").rename(target)

    def _fingerprint(self, maker: RootRecipe | DataDisk) -> str:
        digest = hashlib.sha256(json.dumps(dataclasses.asdict(maker), sort_keys=True).encode())
        for module in _BUILDER_MODULES:
            digest.update(ast.dump(ast.parse(Path(str(module.__file__)).read_text())).encode())
        return digest.hexdigest()[:16]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a lock file; whoever comes second waits. The lock ends with the process at the latest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch_directory(path: Path) -> Iterator[Path]:
    """A new directory that goes afterwards; what a killed predecessor left there goes before."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _image_names(maker: RootRecipe | DataDisk) -> list[str]:
    return [maker.name] if isinstance(maker, DataDisk) else [disk.name for disk in maker.disks]
