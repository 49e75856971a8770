"""Plans, names and lines of progress: what needs no conductor."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from coriolis.engine.context import resource_name
from coriolis.engine.plan import FlowStep, load_plan, new_job
from coriolis.engine.progress import describe_disk, readable_seconds
from coriolis.engine.registry import StepRegistry
from coriolis.engine.step import Step
from coriolis.errors import UnknownStep
from coriolis.model.enums import TaskType
from coriolis.model.progress import DiskProgress
from coriolis.model.secret import Secret, SecretCodec
from coriolis.store.keys import open_codec
from tests.unit.engine.paper_cloud import MakeLogin, UseLogin


@dataclass(frozen=True)
class WithSecret(Step):
    key = "with_secret"
    task_type = TaskType.OS_MORPHING
    secret: Secret
    path: Path

    def execute(self, op: object) -> None: ...


@pytest.fixture
def codec(tmp_path: Path) -> SecretCodec:
    return open_codec(tmp_path)


def test_a_step_comes_back_from_its_stored_plan(codec: SecretCodec) -> None:
    step = WithSecret(Secret("geheim"), Path("/x"))
    job = new_job("vm", "flow", 3, [FlowStep("one", step)], codec)
    assert "geheim" not in repr(job.plan)
    plan = load_plan(job.plan)
    assert (plan.flow, plan.flow_version) == ("flow", 3)
    assert plan.load_steps(StepRegistry([WithSecret]), codec) == {"one": step}
    with pytest.raises(UnknownStep):
        plan.load_steps(StepRegistry([]), codec)


@pytest.mark.parametrize(
    "steps",
    [
        [FlowStep("use", UseLogin())],
        [FlowStep("login", MakeLogin("u")), FlowStep("use", UseLogin())],
        [FlowStep("login", MakeLogin("u")), FlowStep("login", MakeLogin("u"))],
        [FlowStep("use", UseLogin(), ("login",)), FlowStep("login", MakeLogin("u"))],
    ],
    ids=["nobody provides it", "not surely before", "same name twice", "waits for a later one"],
)
def test_wrong_wiring_is_found_when_the_flow_is_compiled(codec: SecretCodec, steps: list[FlowStep]) -> None:
    with pytest.raises(ValueError, match="step"):
        new_job("vm", "flow", 1, steps, codec)


def test_two_classes_cannot_claim_one_name() -> None:
    with pytest.raises(ValueError, match="twice"):
        StepRegistry([UseLogin, UseLogin])


def test_resource_names_are_deterministic_short_and_distinct() -> None:
    job = "0a1b2c3d-0000-4000-8000-000000000000"
    assert resource_name(job, ("worker",)) == "coriolis-0a1b2c3d-worker"
    names = {resource_name(job, (part,)) for part in ("a_b", "a.b", "a b", "a-b", "x" * 80, "x" * 81, "ü")}
    assert len(names) == 7
    assert all(len(name) <= 60 and name.replace("-", "").isalnum() and name.isascii() for name in names)


def test_progress_reads_as_a_sentence() -> None:
    line = describe_disk(
        DiskProgress("vda", 4 << 30, 1 << 30, 300 << 20, rate=85.5 * (1 << 20), eta_seconds=132)
    )
    assert line == "Disk vda: 1.0 GiB of 4.0 GiB compared, 300.0 MiB moved, 85.5 MiB/s, 2 min 12 s left"
    assert describe_disk(DiskProgress("vda", 0, 0, 0)) == "Disk vda: 0 B of 0 B compared, 0 B moved"
    assert readable_seconds(7384) == "2 h 3 min"
