"""What the lab needs in its cache before the clouds come up: guest images and a boot snapshot."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from coriolis_lab.guests.library import WORKER_IMAGE, GuestLibrary
from coriolis_lab.hypervisor.boot_snapshot import BootSnapshots


def prepare(cache: Path, report: Callable[[str], None]) -> GuestLibrary:
    """Builds what is missing. The worker image comes first: it is booted while the other images are built."""
    library = GuestLibrary(cache)
    others = [name for name in library.image_names() if name != WORKER_IMAGE]

    def worker() -> None:
        library.ensure([WORKER_IMAGE], report)
        BootSnapshots(cache).ensure(library.image(WORKER_IMAGE), report)

    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in [pool.submit(worker), pool.submit(library.ensure, others, report)]:
            done.result()
    return library
