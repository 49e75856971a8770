"""The compiled plan of a job: which steps, in which order, with which parameters, as data.

It is stored when the job is queued and everything later follows it: with changed code TaskFlow was seen to
run an interrupted step before a newly inserted earlier one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from coriolis.engine.registry import StepRegistry
from coriolis.engine.step import Step, optional
from coriolis.errors import UnknownPlan, UnreadableStep
from coriolis.model.queue import NO_NEEDS, Needs
from coriolis.model.secret import SecretCodec
from coriolis.store.executions import NewJob, NewTask

PLAN_FORMAT = 1


@dataclass(frozen=True, slots=True)
class FlowStep:
    """A step in a flow's wiring; `after` names the steps that must have finished. `on_error` marks a
    clean-up."""

    name: str
    step: Step
    after: tuple[str, ...] = ()
    on_error: bool = False


@dataclass(frozen=True, slots=True)
class PlannedStep:
    name: str
    key: str
    version: int
    after: tuple[str, ...]
    provides: str | None
    parameters: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    format: int
    flow: str
    flow_version: int
    steps: tuple[PlannedStep, ...]

    def provider_of(self, value: str) -> str | None:
        """The step that provides a value."""
        return next((step.name for step in self.steps if step.provides == value), None)

    def load_steps(
        self, registry: StepRegistry, codec: SecretCodec, names: Collection[str] | None = None
    ) -> dict[str, Step]:
        """By name; `names`: only these. Raises UnknownStep, UnreadableStep."""
        wanted = [step for step in self.steps if names is None or step.name in names]
        return {step.name: _load_step(step, registry, codec) for step in wanted}


_PLAN = TypeAdapter(Plan)


def new_job(
    instance: str,
    flow: str,
    flow_version: int,
    steps: Sequence[FlowStep],
    codec: SecretCodec,
    *,
    needs: Needs = NO_NEEDS,
) -> NewJob:
    """Compiles a flow. Raises ValueError when the wiring is wrong: that is a fault of ours, not of the
    user."""
    _check_wiring(steps)
    planned = tuple(
        PlannedStep(
            name=item.name,
            key=item.step.key,
            version=item.step.version,
            after=item.after,
            provides=item.step.provides,
            parameters=item.step.parameters(codec),
        )
        for item in steps
    )
    plan = Plan(format=PLAN_FORMAT, flow=flow, flow_version=flow_version, steps=planned)
    tasks = tuple(
        NewTask(item.name, task_type=item.step.task_type, depends_on=item.after, on_error=item.on_error)
        for item in steps
    )
    data: dict[str, Any] = _PLAN.dump_python(plan, mode="json")
    return NewJob(instance, flow, flow_version, plan=data, tasks=tasks, needs=needs)


def load_plan(data: Mapping[str, Any]) -> Plan:
    """Raises UnknownPlan for what another release of the product has stored."""
    if data.get("format") != PLAN_FORMAT:
        raise UnknownPlan(format=data.get("format"), known=PLAN_FORMAT)
    return _PLAN.validate_python(dict(data))


def _load_step(step: PlannedStep, registry: StepRegistry, codec: SecretCodec) -> Step:
    try:
        return registry.get(step.key, step.version).load(step.parameters, codec)
    except ValidationError as error:
        # Of the parameters only their names: the values may be secrets.
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UnreadableStep(name=step.name, step=step.key, version=step.version, reason=faults) from None


def _check_wiring(steps: Sequence[FlowStep]) -> None:
    before: dict[str, set[str]] = {}  # step to all that has surely finished when it starts
    provided: dict[str, str] = {}
    for item in steps:
        if item.name in before or not set(item.after) <= set(before):
            raise ValueError(f"step {item.name!r} is named twice or comes before what it waits for")
        before[item.name] = set(item.after).union(*(before[parent] for parent in item.after))
        known = {value for value, step in provided.items() if step in before[item.name]}
        needed = type(item.step).inputs() | type(item.step).inputs("probe")
        missing = {name for name, hint in needed.items() if name not in known and not optional(hint)}
        missing |= set(type(item.step).inputs("revert")) - known - {item.step.provides}
        if missing:
            raise ValueError(f"nothing before step {item.name!r} provides {sorted(missing)}")
        if item.step.provides:
            provided[item.step.provides] = item.name
