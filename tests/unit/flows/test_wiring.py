"""Which step after which: read from the compiled plans."""

from pathlib import Path

import pytest

from coriolis.engine.plan import FlowStep, Plan, load_plan, new_job
from coriolis.engine.registry import StepRegistry
from coriolis.flows import delete_disks, deployment, start_source, transfer_execution, verification
from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Instance
from coriolis.steps import STEPS
from coriolis.store.keys import open_codec

INSTANCE = Instance("i", "vm", 1, 64, OsType.LINUX, Firmware.BIOS, (), ())


def compiled(tmp_path: Path, steps: list[FlowStep]) -> Plan:
    codec = open_codec(tmp_path)
    plan = load_plan(new_job("vm", "flow", 1, steps, codec).plan)
    assert plan.load_steps(StepRegistry(STEPS), codec) == {item.name: item.step for item in steps}
    return plan


def order(plan: Plan) -> list[set[str]]:
    """Waves of steps that may run side by side."""
    done: set[str] = set()
    waves = []
    while len(done) < len(plan.steps):
        wave = {step.name for step in plan.steps if step.name not in done and set(step.after) <= done}
        waves.append(wave)
        done |= wave
    return waves


@pytest.mark.parametrize("shutdown", [False, True])
def test_an_execution_validates_first_and_cleans_up_last(tmp_path: Path, shutdown: bool) -> None:
    what = transfer_execution.TransferExecution("t", "vm", "s", {"a": 1}, "d", {"b": {"c": [1]}}, shutdown)
    waves = order(compiled(tmp_path, transfer_execution.steps(what)))
    validation = [{"get_instance_info"}, {"validate_source"}, {"validate_destination"}, {"deploy_disks"}]
    workers = [{"deploy_source_resources", "deploy_target_resources"}]
    if shutdown:
        workers = [{"shutdown_instance", "deploy_target_resources"}, {"deploy_source_resources"}]
    ends = [{"replicate_disks"}, {"delete_source_resources", "delete_target_resources"}]
    assert waves == [*validation, *workers, *ends]


def test_a_migration_looks_whether_it_can_be_deployed_before_it_shuts_down(tmp_path: Path) -> None:
    what = transfer_execution.TransferExecution("t", "vm", "s", {}, "d", {}, shutdown=True, migrating=True)
    waves = order(compiled(tmp_path, transfer_execution.steps(what)))
    assert waves[3:8] == [
        {"deploy_disks"},
        {"validate_deployment"},
        {"deploy_target_resources"},
        {"shutdown_instance"},
        {"deploy_source_resources"},
    ]


def test_a_pass_of_a_migration_boots_both_workers_side_by_side(tmp_path: Path) -> None:
    what = transfer_execution.TransferExecution("t", "vm", "s", {}, "d", {}, migrating=True)
    waves = order(compiled(tmp_path, transfer_execution.steps(what)))
    assert waves[4:6] == [{"validate_deployment"}, {"deploy_source_resources", "deploy_target_resources"}]


def test_starting_the_source_again(tmp_path: Path) -> None:
    waves = order(compiled(tmp_path, start_source.steps("vm", "s", {"a": 1})))
    assert waves == [{"get_instance_info"}, {"start_instance"}]


@pytest.mark.parametrize("skip", [False, True])
def test_a_deployment_morphs_copies_only(tmp_path: Path, skip: bool) -> None:
    what = deployment.InstanceDeployment("t", "vm", INSTANCE, "d", {}, {}, skip)
    waves = order(compiled(tmp_path, deployment.steps(what)))
    worker = [{"deploy_os_morphing_resources"}, {"verify_disks"}]
    morphing = [] if skip else [{"os_morphing"}]
    end = [{"delete_os_morphing_resources"}, {"finalize_instance"}]
    assert waves == [{"validate_deployment"}, {"clone_disks"}, *worker, *morphing, *end]


@pytest.mark.parametrize("skip", [False, True])
def test_a_deployment_in_place_opens_the_replicas_once_they_are_verified(tmp_path: Path, skip: bool) -> None:
    what = deployment.InstanceDeployment("t", "vm", INSTANCE, "d", {}, {}, skip, in_place=True)
    waves = order(compiled(tmp_path, deployment.steps(what)))
    begin = [{"validate_deployment"}, {"clone_disks"}, {"deploy_os_morphing_resources"}, {"verify_disks"}]
    morphing = [] if skip else [{"os_morphing"}]
    end = [{"delete_os_morphing_resources"}, {"finalize_instance"}, {"hand_over_disks"}]
    assert waves == [*begin, {"open_replica_disks"}, *morphing, *end]


def test_what_a_source_keeps_for_replicas_goes_before_they_are_forgotten(tmp_path: Path) -> None:
    what = deployment.InstanceDeployment(
        "t", "vm", INSTANCE, "d", {}, {}, in_place=True, source=("s", {"a": 1})
    )
    waves = order(compiled(tmp_path, deployment.steps(what)))
    assert waves[-3:] == [{"finalize_instance"}, {"delete_source_points"}, {"hand_over_disks"}]


def test_a_verification_asks_no_source(tmp_path: Path) -> None:
    waves = order(compiled(tmp_path, verification.steps("t", "vm", INSTANCE, "d", {})))
    recalled = [{"recall_instance"}, {"recall_replicas"}]
    worker = [{"deploy_target_resources"}, {"verify_disks"}, {"delete_target_resources"}]
    assert waves == [*recalled, *worker]


def test_deleting_disks_is_one_step(tmp_path: Path) -> None:
    assert order(compiled(tmp_path, delete_disks.steps("t", "vm", "d"))) == [{"delete_disks"}]


def test_every_step_says_what_it_is() -> None:
    assert len({step.key for step in STEPS}) == len(STEPS)
    for step in STEPS:
        assert step.__module__.startswith("coriolis.steps.")
        assert step.task_type
        assert "return" in step.execute.__annotations__
