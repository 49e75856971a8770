"""Looking for the processes of a run, in /proc."""

import os
from pathlib import Path

from tests.unit.transfer.copying import Pair


def processes(text: str) -> dict[int, bytes]:
    """Pids and arguments of the processes whose arguments contain `text`."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in arguments:
                found[int(entry.name)] = arguments
    return found


def children(text: str) -> list[int]:
    """Our own descendants' pids with `text` in their arguments, newest last."""
    mine = {os.getpid()}
    stats = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stats[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    for pid in sorted(stats):
        if stats[pid] in mine:
            mine.add(pid)
    return [pid for pid in sorted(processes(text)) if pid in mine]


def holders(path: Path) -> list[int]:
    """Python processes, started by our sshd or left over by it, that hold `path` open: its agents."""
    found = []
    for pid in processes("types.ModuleType"):
        try:
            opened = [str(link.readlink()) for link in Path("/proc", str(pid), "fd").iterdir()]
        except OSError:
            continue
        if str(path) in opened:
            found.append(pid)
    return found


def agents(pair: Pair) -> list[int]:
    return sorted({*holders(pair.source), *holders(pair.destination)})


def written(pair: Pair) -> int:
    return pair.destination.stat().st_blocks * 512
