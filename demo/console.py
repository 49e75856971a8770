"""How the story is told: numbered steps with the time they took, figures in plain units."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

MIB = 1 << 20


class Console:
    def __init__(self) -> None:
        self._began = time.monotonic()
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._number += 1
        began = time.monotonic()
        print(f"\n{self._number}. {title}", flush=True)
        yield
        self.line(f"({time.monotonic() - began:.0f} s)")

    def line(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def command(self, args: list[str]) -> None:
        """Shows a command as one would type it."""
        shown = " ".join(f"'{a}'" if " " in a or '"' in a else a for a in args)
        print(f"   $ {shown if len(shown) <= 150 else shown[:147] + '...'}", flush=True)

    def elapsed(self) -> str:
        seconds = int(time.monotonic() - self._began)
        return f"{seconds // 60} min {seconds % 60} s"


def mib(count: float) -> str:
    return f"{count / MIB:,.1f} MiB"
