"""The driver of oVirt's image transfers, against the real image I/O daemon on real disks."""

import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from coriolis.agent.disk import DeviceError, Disk, DiskUnavailableError
from coriolis.images.imageio import ask_options
from coriolis.images.registry import Opening, open_image
from coriolis.model.image import ImageDisk
from coriolis.model.progress import DiskResult
from coriolis.model.secret import Secret
from coriolis.transfer.job import CopyJob, DiskCopy, ImageEnd
from coriolis.transfer.process import run_copy_job
from coriolis_lab.hypervisor.exports import NbdExports
from coriolis_lab.hypervisor.layers import Layer
from coriolis_lab.hypervisor.process import Spawner
from coriolis_lab.ovirt.certificates import make_certificates
from coriolis_lab.ovirt.image_daemon import ImageDaemon, find_program

MIB = 1 << 20
SIZE = 16 * MIB
pytestmark = pytest.mark.skipif(find_program() is None, reason="ovirt-imageio is not installed")


@dataclass
class Service:
    daemon: ImageDaemon
    exports: NbdExports
    directory: Path
    ca: str

    def image(self, path: Path, *ops: str, idle: int = 60, bitmap: str | None = None) -> ImageDisk:
        ticket = str(uuid.uuid4())
        form = "qcow2" if path.suffix == ".qcow2" else "raw"
        layer = Layer(path, form, SIZE)
        url = self.exports.open(ticket, layer, writable="write" in ops, bitmap=bitmap)
        self.daemon.put_ticket(
            {
                "uuid": ticket,
                "size": SIZE,
                "url": url,
                "timeout": 300,
                "inactivity_timeout": idle,
                "ops": list(ops),
                "sparse": True,
                "dirty": bitmap is not None,
            }
        )
        return self.described(f"{self.daemon.url}/{ticket}", self.ca, "c1" if bitmap else None)

    def described(self, url: str, ca: str | None, since: str | None = None) -> ImageDisk:
        parameters = {"connections": 2, "ca": ca}
        secrets = {"url": Secret(url)}
        return ImageDisk("d1", SIZE - MIB, "imageio", parameters, secrets, since=since)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with tempfile.TemporaryDirectory(prefix="v2-") as place:
        directory = Path(place)
        certificates = make_certificates(directory)
        daemon, spawner = ImageDaemon(directory, certificates), Spawner()
        daemon.ensure()
        yield Service(daemon, NbdExports(directory, spawner), directory, certificates.ca.read_text())
        daemon.stop()
        spawner.close()


@pytest.fixture
def opened(tmp_path: Path, service: Service) -> Iterator[Callable[..., Disk]]:
    disks = []

    def open_new(image: ImageDisk, role: str = "writer") -> Disk:
        disks.append(open_image(image, Opening(role, "t/i", 1)))
        return disks[-1]

    yield open_new
    for disk in disks:
        disk.close()


def qemu(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def raw_file(directory: Path) -> Path:
    path = directory / "disk.raw"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


def test_what_is_written_is_read_and_is_there(
    service: Service, opened: Callable[..., Disk], tmp_path: Path
) -> None:
    path = raw_file(tmp_path)
    image = service.image(path, "write")
    disk = opened(image)
    assert (disk.size, disk.threads) == (SIZE - MIB, 2)
    assert image.secrets["url"].reveal() not in disk.name
    data = os.urandom(3 * MIB + 512)
    handle = disk.open()
    handle.write(MIB + 512, memoryview(data))
    handle.write(disk.size - 512, memoryview(data[:512]))
    handle.zero(2 * MIB, MIB)
    disk.flush()
    wanted = bytearray(SIZE)
    wanted[MIB + 512 : MIB + 512 + len(data)] = data
    wanted[disk.size - 512 : disk.size] = data[:512]
    wanted[2 * MIB : 3 * MIB] = bytes(MIB)
    assert path.read_bytes() == wanted
    back = bytearray(4 * MIB)
    handle.read(MIB, 4 * MIB - 1, memoryview(back))  # an upload's ticket lets what was written be read
    assert back[:-1] == wanted[MIB : 5 * MIB - 1]
    handle.close()


def test_zeros_and_changes_are_told(service: Service, opened: Callable[..., Disk], tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"

    qemu("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SIZE))
    qemu("qemu-io", "-c", f"write -P 7 {MIB} {MIB}", str(path))
    qemu("qemu-img", "bitmap", "--add", str(path), "b1")
    qemu("qemu-io", "-c", f"write -P 8 {4 * MIB} {MIB}", "-c", f"write -z {MIB} {MIB}", str(path))
    disk = opened(service.image(path, "read", bitmap="b1"), "reader")
    everything = disk.changes(None)
    assert everything is not None
    assert sum(extent.length for extent in everything) == disk.size
    assert [(e.offset, e.length) for e in everything if not e.zero] == [(4 * MIB, MIB)]
    changed = disk.changes("c1")
    assert changed is not None
    assert {(e.offset, e.length, e.zero) for e in changed} == {(MIB, MIB, True), (4 * MIB, MIB, False)}
    assert disk.changes("another") is None
    plain = opened(service.image(raw_file(tmp_path), "read"), "reader")
    assert plain.changes("c1") is None


def test_a_disk_is_copied_from_one_to_another(service: Service, tmp_path: Path) -> None:
    """By the transfer process, whose agents are processes of their own; then only what was changed, and read only
    that."""
    source = tmp_path / "source.qcow2"
    scope = str(uuid.uuid4())  # writers of other runs on this host are kept apart by it
    data = os.urandom(2 * MIB)
    content = tmp_path / "content"
    content.write_bytes(bytes(MIB) + data + bytes(SIZE - 3 * MIB))
    qemu("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(content), str(source))
    qemu("qemu-img", "bitmap", "--add", str(source), "b1")
    target = raw_file(tmp_path)

    def copy(generation: int, bitmap: str | None = None) -> DiskResult:
        ends = [service.image(source, "read", bitmap=bitmap), service.image(target, "write")]
        disk = DiskCopy(
            disk_id="d1",
            size_bytes=SIZE - MIB,
            source=ImageEnd(ends[0]),
            destination=ImageEnd(replace(ends[1], disk_id="v1")),
            generation=generation,
            manifest=tmp_path / f"manifest{generation}",
            previous=tmp_path / f"manifest{generation - 1}" if generation > 1 else None,
            destination_zeroed=generation == 1,
            since=ends[0].since,
        )
        job = CopyJob((disk,), scope, generation, route="auto")
        (result,) = run_copy_job(job, report=lambda _: None, check=lambda: None)
        for end in ends:
            service.exports.close(end.secrets["url"].reveal().rsplit("/", 1)[1])
        return result

    first = copy(1)
    assert target.read_bytes() == content.read_bytes()
    assert (first.route, first.moved) == ("local", 2 * MIB)
    assert first.read < 4 * MIB  # the rest is known to be zeros
    qemu("qemu-io", "-c", f"write -P 9 {2 * MIB} 64k", str(source))
    second = copy(2, bitmap="b1")
    assert (second.moved, second.read) == (65536, 65536)
    wanted = bytearray(content.read_bytes())
    wanted[2 * MIB : 2 * MIB + 65536] = b"\x09" * 65536
    assert target.read_bytes() == wanted


def test_a_connection_that_was_closed_is_made_again(
    service: Service, opened: Callable[..., Disk], tmp_path: Path
) -> None:
    disk = opened(service.image(raw_file(tmp_path), "write", idle=1))
    handle = disk.open()
    for _ in range(2):
        handle.write(0, memoryview(b"x" * 512))
        disk.flush()
        time.sleep(1.5)
    back = bytearray(512)
    handle.read(0, 512, memoryview(back))
    assert back == b"x" * 512
    handle.close()


def test_an_ended_transfer_is_said(service: Service, opened: Callable[..., Disk], tmp_path: Path) -> None:
    image = service.image(raw_file(tmp_path), "write")
    disk = opened(image)
    handle = disk.open()
    service.daemon.delete_ticket(image.secrets["url"].reveal().rsplit("/", 1)[1])
    with pytest.raises(DeviceError, match=r"403 .* has ended"):
        handle.write(0, memoryview(b"x" * 512))
    handle.close()


def test_who_is_not_trusted_or_not_there_is_told_apart(service: Service, tmp_path: Path) -> None:
    url = service.image(raw_file(tmp_path), "write").secrets["url"].reveal()
    (tmp_path / "other").mkdir()
    other = make_certificates(tmp_path / "other").ca.read_text()
    assert ask_options(url, service.ca, 10).writers == 8
    assert ask_options(url, None, 10).readers == 8
    with pytest.raises(DeviceError, match=r"self-signed|issuer"):
        ask_options(url, other, 10)
    with pytest.raises(DiskUnavailableError, match="refused"):
        ask_options("https://127.0.0.1:9/images/x", service.ca, 10)
