"""What is measured: the product over its routes, and what an operator would otherwise type.

A candidate copies `source` to `destination`, both files of one size; the destination is there already, with
zeros or (for changes) the image before them.
"""

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.fernet import Fernet
from tests.unit.sshd import PrivateSshd

from bench.data import file_image, machine
from coriolis.model.progress import DiskResult
from coriolis.model.worker import WorkerDisk
from coriolis.transfer.job import CopyJob, DiskCopy, DiskEnd
from coriolis.transfer.limits import Limits
from coriolis.transfer.process import run_copy_job
from coriolis.transfer.signing import derive_signing_keys
from coriolis.workers.ssh import SshSession

_SERVER_SECONDS = 20.0
ONE_HOP = "-one-hop"
"""Of a route: the conductor reads the source itself, as it does snapshots in Ceph and backups in Swift."""

ROUTES = ("ssh", "ssh-one-hop", "tls", "direct")
SIGNING_KEYS = derive_signing_keys([Fernet.generate_key().decode()])
"""An installation has one, and with it keyed digests."""


@dataclass(frozen=True)
class Place:
    """Where a run happens."""

    sshd: PrivateSshd
    session: SshSession
    credentials: Path
    directory: Path


def _no_server(place: Place, destination: Path) -> AbstractContextManager[int]:
    del place, destination
    return nullcontext(0)


@dataclass(frozen=True)
class Candidate:
    """`prepare` is not measured and gives what `run` is told besides the two paths (a server's port)."""

    name: str
    run: Callable[[Place, Path, Path, int], DiskResult | None]
    needs: tuple[str, ...] = ()
    prepare: Callable[[Place, Path], AbstractContextManager[int]] = _no_server

    @property
    def missing(self) -> list[str]:
        return [program for program in self.needs if shutil.which(program) is None]


def product(route: str, *, previous: Path | None = None, limit: float = 0.0) -> Candidate:
    """A whole run as the engine starts it: the transfer child and both agents. `limit`: bytes a second."""

    def run(place: Place, source: Path, destination: Path, port: int) -> DiskResult:
        del port
        wish = route.removesuffix(ONE_HOP)
        job = _copy_job(place, source, destination, previous, source_here=wish != route)
        job = replace(job, route=wish, limits=Limits(wire=limit))
        (result,) = run_copy_job(job, report=lambda _: None, check=lambda: None)
        if result.route != wish:
            raise RuntimeError(f"route {result.route} was taken instead of {wish}: {result.why_not}")
        return result

    return Candidate(f"coriolis, {route}", run)


def _copy_job(
    place: Place, source: Path, destination: Path, previous: Path | None, *, source_here: bool
) -> CopyJob:
    """The destination is known to be all zeros, or what `previous` says."""
    size = source.stat().st_size
    login = place.sshd.login(host_key=place.sshd.host_key)
    copy = DiskCopy(
        disk_id="disk",
        size_bytes=size,
        source=file_image.end_of(source)
        if source_here
        else DiskEnd(login, WorkerDisk("snapshot", str(source), size)),
        destination=DiskEnd(login, WorkerDisk("volume", str(destination), size)),
        generation=1 if previous is None else 2,
        manifest=place.directory / "run.leaves",
        previous=previous,
        destination_zeroed=previous is None,
    )
    return CopyJob((copy,), f"bench-{place.directory}", token=1, signing_keys=SIGNING_KEYS)


def _shell(command: str) -> None:
    """Raises RuntimeError with what the command said."""
    script = ["/bin/bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(script, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[:200]}: {done.stderr.decode(errors='replace')[-1000:]}")


def _ssh(place: Place, command: str) -> str:
    """With the product's own choice of ciphers, so that the reference is at its best."""
    return shlex.join(place.session.command(command))


def _dd_in(source: Path) -> str:
    return f"dd if={source} bs=1M status=none"


def _dd_out(destination: Path) -> str:
    return f"dd of={destination} bs=1M iflag=fullblock conv=notrunc,fdatasync status=none"


def _one_hop(place: Place, source: Path, destination: Path, port: int) -> None:
    del port
    _shell(f"{_dd_in(source)} | {_ssh(place, _dd_out(destination))}")


def _two_hops(place: Place, source: Path, destination: Path, port: int) -> None:
    del port
    _shell(f"{_ssh(place, _dd_in(source))} </dev/null | {_ssh(place, _dd_out(destination))}")


def _rsync(*options: str) -> Callable[[Place, Path, Path, int], None]:
    def run(place: Place, source: Path, destination: Path, port: int) -> None:
        del port
        words = place.session.command("")
        transport = shlex.join([*words[: words.index("--")]])
        target = f"{machine.LOOPBACK}:{destination}"
        _shell(
            shlex.join(
                ["rsync", *options, "--inplace", "--ignore-times", "-e", transport, str(source), target]
            )
        )

    return run


def _nbdcopy(place: Place, source: Path, destination: Path, port: int) -> None:
    del destination
    uri = f"nbds://{machine.LOOPBACK}:{port}/?tls-certificates={place.credentials}"
    _shell(f"nbdcopy --destination-is-zero --flush {source} {shlex.quote(uri)}")


@contextmanager
def _nbdkit(place: Place, destination: Path) -> Iterator[int]:
    port = machine.free_port()
    tls = ["--tls=require", f"--tls-certificates={place.credentials}"]
    command = ["nbdkit", "-f", "-i", machine.LOOPBACK, "-p", str(port), *tls, "file", str(destination)]
    with _served(command, port):
        yield port


@contextmanager
def _qemu_nbd(place: Place, destination: Path) -> Iterator[int]:
    port = machine.free_port()
    tls = f"tls-creds-x509,id=tls,endpoint=server,dir={place.credentials},verify-peer=on"
    options = ["--object", tls, "--tls-creds", "tls", "-f", "raw", "--discard=unmap", "--detect-zeroes=off"]
    command = ["qemu-nbd", "-t", "-b", machine.LOOPBACK, "-p", str(port), *options, str(destination)]
    with _served(command, port):
        yield port


def _qemu_img(place: Place, source: Path, destination: Path, port: int) -> None:
    del destination
    tls = f"tls-creds-x509,id=tls,endpoint=client,dir={place.credentials}"
    target = f"driver=nbd,server.type=inet,server.host={machine.LOOPBACK},server.port={port},tls-creds=tls"
    image = f"driver=raw,file.driver=file,file.filename={source}"
    options = ["-n", "-W", "-m", "8", "--target-is-zero", "--target-image-opts", "--image-opts"]
    _shell(shlex.join(["qemu-img", "convert", "--object", tls, *options, image, target]))


@contextmanager
def _served(command: list[str], port: int) -> Iterator[None]:
    """The server runs, and listens, while this is entered."""
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        end = time.monotonic() + _SERVER_SECONDS
        while not _listens(port):
            if server.poll() is not None or time.monotonic() > end:
                said = server.stderr.read(2000) if server.poll() is not None and server.stderr else b""
                raise RuntimeError(f"{command[0]} does not listen: {said.decode(errors='replace')}")
            time.sleep(0.02)
        yield
    finally:
        server.terminate()
        try:
            server.communicate(timeout=_SERVER_SECONDS)
        except subprocess.TimeoutExpired:  # seen of a qemu-nbd on a machine with much else to do
            server.kill()
            server.communicate()


def _listens(port: int) -> bool:
    """Without a connection, which a server for one client would take for its client."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines)


DD_SSH_DD = Candidate("dd | ssh | dd", _one_hop)
SSH_DD_SSH_DD = Candidate("ssh dd | ssh dd", _two_hops)
NBDCOPY = Candidate("nbdcopy, TLS", _nbdcopy, needs=("nbdcopy", "nbdkit"), prepare=_nbdkit)
QEMU_IMG = Candidate(
    "qemu-img convert, NBD TLS", _qemu_img, needs=("qemu-img", "qemu-nbd"), prepare=_qemu_nbd
)
RSYNC_WHOLE = Candidate("rsync -W --inplace", _rsync("-W"), needs=("rsync",))
RSYNC_DELTA = Candidate("rsync --inplace", _rsync("--no-whole-file", "-B", "65536"), needs=("rsync",))
FOREIGN = (DD_SSH_DD, SSH_DD_SSH_DD, NBDCOPY, QEMU_IMG, RSYNC_WHOLE)
