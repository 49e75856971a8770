"""The scenarios, by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.lane import MODES, Lane, LaneWishes, Mode

Scenario = Callable[[Lane], list[str]]
"""Returns violations; raises AssertionError when it does not come to its end."""

CATALOGUE: "list[Entry]" = []


@dataclass(frozen=True, slots=True)
class Entry:
    """`quick`: among those that run with the other tests, in these modes."""

    name: str
    run: Scenario
    modes: tuple[Mode, ...] = MODES
    quick: tuple[Mode, ...] = ()
    own_lane: LaneWishes | None = None


def scenario(
    name: str,
    *arguments: object,
    modes: tuple[Mode, ...] = MODES,
    quick: tuple[Mode, ...] = (),
    own_lane: LaneWishes | None = None,
) -> Callable[[Callable[..., list[str]]], Callable[..., list[str]]]:
    """Enters the function, with these arguments after the lane, in the catalogue."""

    def enter(function: Callable[..., list[str]]) -> Callable[..., list[str]]:
        def run(lane: Lane) -> list[str]:
            return function(lane, *arguments)

        CATALOGUE.append(Entry(name, run, modes, quick, own_lane))
        return function

    return enter


def entries(mode: Mode) -> Iterator[Entry]:
    return (entry for entry in CATALOGUE if mode in entry.modes)
