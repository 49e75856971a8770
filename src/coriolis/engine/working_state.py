"""What TaskFlow is told of a job when its run begins: rebuilt from our own records at each claim.

TaskFlow keeps its state in memory and decides from it what runs next; nothing of it outlives the claim. A step
that was interrupted is pending again, so it waits for what stands before it in the plan like any other.
"""

from collections.abc import Mapping
from typing import Any

from taskflow import states
from taskflow.persistence import models

from coriolis.engine.plan import Plan
from coriolis.store.steps import StepState


def working_state(plan: Plan, steps: Mapping[str, StepState], *, undoing: bool) -> models.FlowDetail:
    """`steps` by name, of those that ever began. `undoing`: all that was begun is to be undone, in reverse
    order, and nothing may begin any more."""
    flow = models.FlowDetail("job", uuid="job")
    for step in plan.steps:
        atom = models.TaskDetail(step.name, uuid=step.name)
        state = steps.get(step.name, StepState())
        atom.state = _when_undoing(state) if undoing else _when_advancing(state)
        atom.intention = states.REVERT if undoing else states.EXECUTE
        flow.add(atom)
    return flow


def _when_advancing(step: StepState) -> str:
    return str(states.SUCCESS if step.finished else states.PENDING)


def _when_undoing(step: StepState) -> str:
    """A step in the middle of its work is undone like a finished one: TaskFlow need not know the
    difference."""
    if step.reverted:
        return str(states.REVERTED)
    return str(states.SUCCESS if step.attempts else states.PENDING)


class NoBackend:
    """What TaskFlow hands its state to for keeping: ours is kept in step_state, so this keeps nothing.

    Both the backend and its connection, of which an engine with known atoms uses only these methods. TaskFlow's
    own in-memory backend keeps copies in a tree of files, at a third of what a step costs.
    """

    def get_connection(self) -> "NoBackend":
        return self

    def close(self) -> None: ...

    def update_atom_details(self, atom_detail: Any) -> Any:
        return atom_detail

    def update_flow_details(self, flow_detail: Any) -> Any:
        return flow_detail
