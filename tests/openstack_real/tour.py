"""All routes cross side by side, step by step: a source guest boots once, changes once in each step, and is shut down
once, for all of the routes that start from it. Boots under emulation are what the whole takes its time with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

import pytest

from tests.openstack_real.clouds import Operator
from tests.openstack_real.crossing import Crossing
from tests.openstack_real.guests import GuestKind, SourceGuest
from tests.openstack_real.routes import Route

CHANGED_MIB = 12
_GROWN_GIB = 2


class Step(IntEnum):
    FULL = 1
    FILE_CHANGED = 2
    SHUT_DOWN = 3
    DEPLOYED = 4


class Tour:
    """`cross` makes the crossing of a route, whose guest may still boot."""

    def __init__(self, cross: Callable[[Route], Crossing], operator: Operator) -> None:
        self._cross = cross
        self._operator = operator
        self._crossings: dict[str, Crossing] = {}
        self._held: dict[str, Step] = {}  # by route
        self._reached: dict[GuestKind, Step] = {}

    @contextmanager
    def step(self, route: Route, step: Step) -> Iterator[Crossing]:
        """The crossing of the route, with its guest as the step finds it. A route that fell goes no further."""
        if self._held.get(str(route), 0) != step - 1:
            pytest.fail("the step before this one did not hold")
        if route.mechanism.backups:
            self._operator.use_backups(route.mechanism.backups)
        if str(route) not in self._crossings:
            self._crossings[str(route)] = self._cross(route)
        crossing = self._crossings[str(route)]
        if self._reached.get(route.guest, 0) < step:
            _prepare(crossing.guest, step)
            self._reached[route.guest] = step
        yield crossing
        crossing.publish()
        self._held[str(route)] = step


def _prepare(guest: SourceGuest, step: Step) -> None:
    if step is Step.FULL:
        guest.with_fresh_data()
    elif step is Step.FILE_CHANGED:
        guest.change_file(CHANGED_MIB)
    elif step is Step.SHUT_DOWN:  # which the first execution sees to
        guest.delete_file()
        guest.grow_data(_GROWN_GIB)
