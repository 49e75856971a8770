"""Whether the guest is now as planned: the facts are gathered again, and a new plan must have nothing left to
do."""

from typing import TYPE_CHECKING

from coriolis.morphing.guest.actions import InstallPackages, PurgePackages, Warn
from coriolis.morphing.guest.boot import unknown_roots
from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coriolis.morphing.guest.actions import Action
    from coriolis.morphing.guest.facts import Facts

# Warned of when they failed; the guest works without.
_OPTIONAL = (Warn, InstallPackages, PurgePackages)


def check(facts: "Facts", remaining: "Sequence[Action]") -> None:
    """`remaining` is the plan over the new facts. Raises MorphFailure if the guest would not start or is half
    done."""
    roots = unknown_roots(facts)
    if roots:
        raise MorphFailure(
            "GRUB would look for {}, which is on no disk of the guest".format(", ".join(roots))
        )
    agent_comes_later = any(isinstance(action, InstallPackages) for action in remaining)
    undone = [
        action
        for action in remaining
        if not isinstance(action, _OPTIONAL)
        and not (agent_comes_later and type(action).__name__ == "EnableUnit")
    ]
    if undone:
        raise MorphFailure(
            "still to be done after all was done: {}".format("; ".join(map(_describe, undone)))
        )


def _describe(action: "Action") -> str:
    return f"{type(action).__name__} {action[0]}"
