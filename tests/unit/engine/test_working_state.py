"""What TaskFlow does with the state that we rebuild for it: run with every new release of it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from taskflow import engines, states, task
from taskflow.patterns import graph_flow

from coriolis.engine.plan import FlowStep, Plan, load_plan, new_job
from coriolis.engine.working_state import working_state
from coriolis.errors import LeaseLost
from coriolis.store.keys import open_codec
from coriolis.store.steps import StepState
from tests.unit.engine.paper_cloud import Make

BEGUN = StepState(attempts=1)
FINISHED = StepState(attempts=1, finished=True)
REVERTED = StepState(attempts=1, reverted=True)


class Noted(task.Task):  # type: ignore[misc]  # TaskFlow is untyped
    def __init__(self, name: str, notes: list[str], fault: BaseException | None) -> None:
        super().__init__(name=name)
        self._notes = notes
        self._fault = fault

    def execute(self) -> None:
        self._notes.append(self.name)
        if self._fault is not None:
            raise self._fault

    def revert(self, **_: object) -> None:
        self._notes.append(f"undo {self.name}")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """a, then b and x side by side, then c."""

    def step(name: str, *after: str) -> FlowStep:
        return FlowStep(name, Make(tmp_path, "e", name), after)

    steps = [step("a"), step("b", "a"), step("x", "a"), step("c", "b", "x")]
    return load_plan(new_job("vm", "flow", 1, steps, open_codec(tmp_path)).plan)


def run(
    plan: Plan,
    steps: Mapping[str, StepState],
    *,
    undoing: bool = False,
    faults: Mapping[str, BaseException] | None = None,
) -> tuple[list[str], str]:
    """What ran, and the state that TaskFlow ended in."""
    notes: list[str] = []
    graph = graph_flow.Flow("f")
    tasks = {step.name: Noted(step.name, notes, (faults or {}).get(step.name)) for step in plan.steps}
    graph.add(*tasks.values())
    for step in plan.steps:
        for parent in step.after:
            graph.link(tasks[parent], tasks[step.name])
    details = working_state(plan, steps, undoing=undoing)
    engine = engines.load(graph, flow_detail=details, engine="parallel", max_workers=2)
    try:
        engine.run()
    except (LeaseLost, RuntimeError) as fault:
        notes.append(type(fault).__name__)
    return notes, str(engine.storage.get_flow_state())


def test_a_new_job_runs_in_the_order_of_its_plan(plan: Plan) -> None:
    notes, state = run(plan, {})
    assert (notes[0], set(notes[1:3]), notes[3]) == ("a", {"b", "x"}, "c")
    assert state == states.SUCCESS


def test_finished_steps_never_run_again_and_an_interrupted_one_does(plan: Plan) -> None:
    assert run(plan, {"a": FINISHED, "b": FINISHED, "x": BEGUN}) == (["x", "c"], states.SUCCESS)
    assert run(plan, dict.fromkeys("abxc", FINISHED)) == ([], states.SUCCESS)


def test_what_was_begun_is_undone_in_reverse_order_and_nothing_else(plan: Plan) -> None:
    notes, state = run(plan, {"a": FINISHED, "b": FINISHED, "x": BEGUN}, undoing=True)
    assert (set(notes[:2]), notes[2:]) == ({"undo b", "undo x"}, ["undo a"])
    assert state == states.REVERTED


def test_nothing_is_undone_twice(plan: Plan) -> None:
    begun = {"a": FINISHED, "b": FINISHED, "x": REVERTED, "c": REVERTED}
    assert run(plan, begun, undoing=True) == (["undo b", "undo a"], states.REVERTED)
    assert run(plan, dict.fromkeys("abxc", REVERTED), undoing=True) == ([], states.REVERTED)


def test_of_a_completed_job_one_step_alone_can_be_undone(plan: Plan) -> None:
    done = StepState(attempts=1, finished=True, reverted=True)
    begun = {"a": done, "b": FINISHED, "x": done, "c": done}
    assert run(plan, begun, undoing=True) == (["undo b"], states.REVERTED)


def test_a_job_that_never_began_has_nothing_to_undo(plan: Plan) -> None:
    assert run(plan, {}, undoing=True) == ([], states.REVERTED)


def test_a_fault_after_a_resume_undoes_what_earlier_runs_did(plan: Plan) -> None:
    steps = {"a": FINISHED, "b": FINISHED, "x": FINISHED}
    notes, state = run(plan, steps, faults={"c": RuntimeError()})
    assert notes[:2] == ["c", "undo c"]
    assert (set(notes[2:4]), notes[4:]) == ({"undo b", "undo x"}, ["undo a", "RuntimeError"])
    assert state == states.REVERTED


def test_a_lost_lease_passes_through_the_engine_at_once(plan: Plan) -> None:
    notes, _ = run(plan, {"a": FINISHED, "x": FINISHED}, faults={"b": LeaseLost("gone")})
    assert notes == ["b", "LeaseLost"]
