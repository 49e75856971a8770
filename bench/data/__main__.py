"""`make bench`: what the data path costs beside what an operator would otherwise type, and the targets.

python -m bench.data                           1 GiB, five rounds, in memory: half an hour on two cores
python -m bench.data --quick                   64 MiB, two rounds: whether everything works; its figures say nothing
python -m bench.data --sizes 4 --rounds 3      the same where the start of a run counts less; 16 GB of memory
python -m bench.data --sizes 1 4 16 --directory /var/tmp     and whether the cost is linear; 40 GB of disk
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from tests.unit.sshd import PrivateSshd

from bench.data import file_image, images, machine, report, targets
from bench.data.accounts import Accounts, open_accounts
from bench.data.candidates import DD_SSH_DD, FOREIGN, ROUTES, RSYNC_DELTA, Candidate, Place, product
from bench.data.measure import Bench, Series
from coriolis.workers.ssh import SshSession

RESULTS = Path(__file__).parents[1] / "results"
GIB = 1 << 30
MIB = 1 << 20
_MEMORY = Path("/dev/shm")  # noqa: S108 - the one directory that is always in memory
_QUICK_SIZE = 64 * MIB
_LIMITED_SECONDS = 24
_PROGRAMS = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of the sessions: no shims of a home directory


def main() -> int:
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 150)
    notes = [machine.own_network()]
    began = time.monotonic()
    with _place(options) as (place, accounts):
        notes.append(accounts.note)
        bench = Bench(place, accounts, options.patience, console.print)
        suite = Suite(bench, place, options)
        start = suite.start()
        report.print_series(console, "What a run costs whatever its size: 1 MiB", start)
        full = suite.full(options.sizes[0])
        for series in full:
            report.print_series(console, f"{series[0].image}, {options.sizes[0] / GIB:g} GiB", series)
        lines = targets.verdicts([one for series in full for one in series], start)
        sizes = suite.growing(full) if len(options.sizes) > 1 else []
        for group in _grouped(sizes):
            lines += targets.linear(group)
        lines += suite.limited()
    report.print_verdicts(console, lines)
    for note in [*notes, *suite.missing]:
        console.print(note)
    results = {
        "load_average": os.getloadavg(),
        "sizes": options.sizes,
        "start": [one.data() for one in start],
        "full": [one.data() for series in full for one in series],
        "growing": [one.data() for one in sizes],
        "verdicts": [asdict(line) for line in lines],
        "notes": [*notes, *suite.missing],
    }
    report.write_json(RESULTS / "data.json", results)
    pictures = report.write_pictures(RESULTS, full, sizes)
    console.print(f"{RESULTS}/data.json; {pictures}; {time.monotonic() - began:.0f} s")
    return 0 if options.quick or all(line.met is not False for line in lines) else 1


class Suite:
    """Which candidates copy which images."""

    def __init__(self, bench: Bench, place: Place, options: argparse.Namespace) -> None:
        self._bench = bench
        self._place = place
        self._options = options
        self.missing = [
            f"[yellow]{one.name}: not measured, {', '.join(one.missing)} missing[/]"
            for one in (*FOREIGN, RSYNC_DELTA)
            if one.missing
        ]

    def start(self) -> list[Series]:
        """Logins, interpreters, handshakes."""
        everybody = [DD_SSH_DD, *(product(route) for route in self._options.routes)]
        return self._bench.rounds(self._image("mixed", MIB), everybody, self._options.rounds, name="start")

    def full(self, size: int) -> list[list[Series]]:
        """The mixed, the random and the changed image, the last against what the first left behind."""
        ours = [product(route) for route in self._options.routes]
        everybody = _present([*FOREIGN, *ours])
        found = [
            self._bench.rounds(self._image(kind, size), everybody, self._options.rounds, name=kind)
            for kind in ("mixed", "random")
        ]
        return [*found, self._changed(size, [RSYNC_DELTA], self._options.routes)]

    def growing(self, full: Sequence[Sequence[Series]]) -> list[Series]:
        """The first route in all sizes, both as a whole and 1 % changed."""
        route = self._options.routes[0]
        name = product(route).name
        series = [one for group in full for one in group if one.candidate == name and one.image != "random"]
        for size in self._options.sizes[1:]:
            mixed = self._image("mixed", size)
            series += self._bench.rounds(mixed, [product(route)], min(3, self._options.rounds), name="mixed")
            series += self._changed(size, [], [route])
            for path in (mixed, self._image("changed", size)):
                path.unlink()
        return series

    def _changed(self, size: int, others: list[Candidate], routes: Sequence[str]) -> list[Series]:
        """A copy of the mixed image is there, with its leaf list, as the run before left it."""
        mixed, image = self._image("mixed", size), self._image("changed", size)
        self._bench.run(product("ssh"), mixed, name="before")
        previous = (self._place.directory / "run.leaves").replace(self._place.directory / "previous.leaves")
        ours = [product(route, previous=previous) for route in routes]
        everybody = _present([*others, *ours])
        return self._bench.rounds(image, everybody, self._options.rounds, name="changed", base=mixed)

    def limited(self) -> list[targets.Verdict]:
        """A limit that the random image takes 24 s at; counted from its first byte on, as a network would."""
        image = self._image("random", self._options.sizes[0])
        limit = image.stat().st_size / _LIMITED_SECONDS
        found = []
        for route in self._options.routes:
            if route == "direct":  # what is limited goes through the conductor
                continue
            candidate = product(route, limit=limit)
            sample = self._bench.run(candidate, image, name="limited")
            seconds = sample.wall - (sample.first_byte or 0.0)
            found.append(targets.limited(limit, (sample.carried or 0) / seconds, seconds, candidate.name))
        return found

    def _image(self, kind: str, size: int) -> Path:
        return images.image(self._place.directory, kind, size)


def _present(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if not candidate.missing]


def _grouped(series: Sequence[Series]) -> list[list[Series]]:
    groups: dict[str, list[Series]] = {}
    for one in series:
        groups.setdefault(one.image, []).append(one)
    return list(groups.values())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n", maxsplit=1)[0])
    sizes = "GiB of disk; with more than one the cost over the size is measured too (1)"
    parser.add_argument("--sizes", type=float, nargs="+", default=[1.0], help=sizes)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--routes", nargs="+", choices=ROUTES, default=["tls", "direct", "ssh", "ssh-one-hop"]
    )
    parser.add_argument("--directory", type=Path, default=_MEMORY, help=f"where the images are ({_MEMORY})")
    parser.add_argument(
        "--patience",
        type=float,
        default=10.0,
        help="seconds to wait before a run for others to be quiet (10)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="64 MiB, two rounds; the exit status says nothing"
    )
    options = parser.parse_args()
    options.sizes = [int(size * GIB) // images.LEAF * images.LEAF for size in options.sizes]
    if options.quick:
        options.sizes, options.rounds, options.patience = [_QUICK_SIZE], 2, 0.0
    return options


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[tuple[Place, Accounts]]:
    """A directory of our own, an sshd whose sessions are counted, and nothing of it left behind."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="coriolis-bench-", dir=options.directory))
        stack.callback(shutil.rmtree, directory)
        accounts = open_accounts()
        stack.callback(accounts.close)
        sshd = PrivateSshd(directory / "sshd", _PROGRAMS)
        stack.callback(sshd.stop)
        accounts.adopt(sshd.process.pid)
        session = stack.enter_context(SshSession(sshd.login(host_key=sshd.host_key)))
        credentials = directory / "credentials"
        machine.write_credentials(credentials)
        stack.enter_context(_driver_known(directory / "site"))
        yield Place(sshd, session, credentials, directory), accounts


@contextmanager
def _driver_known(site: Path) -> Iterator[None]:
    """To the processes of the runs."""
    site.mkdir()
    (site / "sitecustomize.py").write_text(file_image.SITE)
    before = os.environ.get("PYTHONPATH")
    repository = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(site), repository, before)))
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


if __name__ == "__main__":
    sys.exit(main())
