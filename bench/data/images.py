"""The disks that are copied: files with the same content on every machine.

Zeros are written, as a block device shows them, so that no hole in a file helps anyone.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

LEAF = 65536
MIB = 1 << 20
CHANGED_SHARE = 0.01
_TEXT_POOL = 16 * MIB
_LEVELS = ("info", "info", "info", "warning", "error")


def mixed(path: Path, size: int) -> None:
    """Half zeros, a quarter log-like text, a quarter noise, in extents of 64 KiB to 4 MiB."""
    _write(path, size, _mixed_extents())


def noise(path: Path, size: int) -> None:
    rng = random.Random(2)  # noqa: S311 - test data
    _write(path, size, iter(lambda: rng.randbytes(MIB), b""))


def changed(path: Path, size: int) -> None:
    """The mixed image beside it, with two writes of 4 KiB in one of a hundred of its 64 KiB blocks."""
    shutil.copyfile(path.with_name(path.name.replace("changed", "mixed")), path)
    rng = random.Random(3)  # noqa: S311 - test data
    with path.open("r+b") as file:
        for block in rng.sample(range(size // LEAF), changed_leaves(size)):
            for offset, content in ((0, rng.randbytes(4096)), (LEAF // 2, b"changed " * 512)):
                file.seek(block * LEAF + offset)
                file.write(content)


MAKERS: dict[str, Callable[[Path, int], None]] = {"mixed": mixed, "random": noise, "changed": changed}


def image(directory: Path, kind: str, size: int) -> Path:
    """Made unless it is there; `changed` makes `mixed` first."""
    if kind == "changed":
        image(directory, "mixed", size)
    path = directory / f"{kind}.{size}.img"
    if not path.exists():
        MAKERS[kind](path, size)
    return path


def changed_leaves(size: int) -> int:
    return max(1, int(size // LEAF * CHANGED_SHARE))


def _write(path: Path, size: int, extents: Iterator[bytes]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        left = size
        while left:
            left -= file.write(next(extents)[:left])
    partial.replace(path)


def _mixed_extents() -> Iterator[bytes]:
    rng = random.Random(1)  # noqa: S311 - test data
    pool = _log_lines(rng)
    while True:
        length, kind = LEAF << rng.randrange(7), rng.random()
        if kind < 0.5:
            yield bytes(length)
        elif kind < 0.75:
            start = rng.randrange(len(pool) - length)
            yield pool[start : start + length]
        else:
            yield rng.randbytes(length)


def _log_lines(rng: random.Random) -> bytes:
    """Compresses 2:1 with zstd's first level."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 10))) for _ in range(4000)]
    lines: list[bytes] = []
    have = 0
    while have < _TEXT_POOL:
        said = " ".join(rng.choices(words, k=8))
        stamp, level = rng.randrange(1 << 31), rng.choice(_LEVELS)
        lines.append(f'{stamp} {rng.choice(words)} {level}: "{said}" id={rng.getrandbits(48):x}\n'.encode())
        have += len(lines[-1])
    return b"".join(lines)
