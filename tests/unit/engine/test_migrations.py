"""Passes until the delta is small, shut down, last delta, deployment: what follows from what, whatever dies."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from coriolis.engine.migration.moves import Moves
from coriolis.engine.service import Engine
from coriolis.errors import Conflict, InvalidInput, NotSupported
from coriolis.model.enums import ExecutionStatus, ExecutionType, ResourceState, Scenario, TaskType
from coriolis.model.migration import CutoverReason, Migration, MigrationLimits, MigrationPass, MigrationPhase
from coriolis.model.records import Wish
from coriolis.steps import morph_os, replicate_disks
from coriolis.store.database import Fence
from coriolis.store.idempotency import CreationRequest
from tests.unit.engine.conftest import ROOT
from tests.unit.engine.migrating import open_engine
from tests.unit.steps.paper_provider import PASSWORD

OWNER = {"user_id": "u", "project_id": "p"}


@dataclass
class Passage:
    """`engine` runs the jobs here until `leave`; other processes may then have the state directory."""

    settings_file: Path
    source: Path
    destination: Path
    engine: Engine = field(init=False)
    transfer_id: str = ""
    _running: ExitStack = field(default_factory=ExitStack)
    _processes: list["subprocess.Popen[str]"] = field(default_factory=list)

    def enter(self) -> None:
        self.engine = self._running.enter_context(open_engine(self.settings_file))

    def leave(self) -> None:
        self._running.close()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        self.leave()

    def process(self, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.engine.migrating", str(self.settings_file), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def moves(self, *figures: int) -> None:
        """Bytes that each further copy moves."""
        (self.source / "moved").write_text("\n".join(map(str, figures)))

    def transfer(self, scenario: Scenario, *instances: str) -> str:
        database = self.engine.database
        ends = [
            database.endpoints.create(
                **OWNER,
                name=side.name,
                type="paper",
                connection_info={"directory": str(side), "password": PASSWORD},
            ).id
            for side in (self.source, self.destination)
        ]
        made = database.transfers.create(
            **OWNER,
            scenario=scenario,
            instances=instances,
            origin_endpoint_id=ends[0],
            destination_endpoint_id=ends[1],
            network_map={"net": "n1"},
        )
        self.transfer_id = made.id
        return made.id

    def migrate(self, **wishes: Any) -> Migration:
        return self.engine.frontdoor.migrate(self.transfer_id, **OWNER, **wishes)

    def seen(self, migration: Migration) -> Migration:
        return self.engine.database.live_migrations.get(migration.id)

    def ended(self, migration: Migration) -> Migration:
        self.until(lambda: self.seen(migration).status.finished)
        return self.seen(migration)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.03)

    def log(self, side: Path) -> list[str]:
        return (side / "log").read_text().split() if (side / "log").exists() else []

    def hold(self, number: int) -> Path:
        """The copies from this number on stay at work until the file is gone."""
        path = self.source / "hold"
        path.write_text(str(number))
        return path

    def fail(self, side: Path, verb: str) -> Path:
        path = side / "fail" / verb
        path.touch()
        return path

    def copies(self) -> int:
        path = self.source / "copies"
        return len(path.read_text().split()) if path.exists() else 0

    def off(self) -> list[str]:
        place = self.source / "off"
        return sorted(path.name for path in place.iterdir()) if place.exists() else []

    def runs(self) -> list[ExecutionType]:
        runs = self.engine.database.executions.list(self.transfer_id)
        return [run.type for run in sorted(runs, key=lambda run: run.number)]


@pytest.fixture
def passage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Passage]:
    monkeypatch.setattr(replicate_disks, "run_copy_job", replicate_disks.run_copy_job)  # put back at the end
    monkeypatch.setattr(morph_os, "run_morph_job", morph_os.run_morph_job)
    conf = tmp_path / "coriolis.conf"
    conf.write_text(
        f"[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n[engine]\nretry_seconds = 0.01\nwatch_seconds = 0.2\n"
        "[migration]\nsmall_delta_bytes = 100\nsmall_delta_seconds = 0\nmax_passes = 5\n"
    )
    found = Passage(conf, tmp_path / "source", tmp_path / "destination")
    for side in (found.source, found.destination):
        (side / "fail").mkdir(parents=True)
    for name in ("web", "db"):
        (found.source / "vm" / name).mkdir(parents=True)
        (found.source / "vm" / name / "vda").write_bytes(b"boot")
    found.enter()
    found.transfer(Scenario.LIVE_MIGRATION, "web")
    yield found
    found.close()


# The rule


def passes(*figures: tuple[int, float]) -> Sequence[MigrationPass]:
    return [MigrationPass("e", moved, seconds) for moved, seconds in figures]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (passes((1000, 60)), None),
        (passes((100, 60)), CutoverReason.SMALL_DELTA),
        (passes((0, 60)), CutoverReason.SMALL_DELTA),
        (passes((1000, 30)), CutoverReason.SHORT_COPY),
        (passes((1000, 60), (800, 60)), None),
        (passes((1000, 60), (801, 60)), CutoverReason.NOT_SHRINKING),
        (passes((1000, 60), (5000, 60)), CutoverReason.NOT_SHRINKING),
        (passes((5000, 60), (3000, 60), (2000, 60)), CutoverReason.MAX_PASSES),
    ],
)
def test_when_the_passes_end(made: Sequence[MigrationPass], reason: CutoverReason | None) -> None:
    assert MigrationLimits(3, 100, 30.0).reason_to_cut_over(made) is reason


def test_figures_of_an_interrupted_pass_promise_nothing() -> None:
    limits = MigrationLimits(3, 100, 30.0)
    broken = MigrationPass("e", 10, 1.0, interrupted=True)
    assert limits.reason_to_cut_over([broken]) is None
    assert limits.reason_to_cut_over([broken, *passes((1000, 60))]) is None
    assert limits.reason_to_cut_over([*passes((5000, 60), (1000, 60)), broken]) is CutoverReason.MAX_PASSES


# The chain


def test_passes_go_on_until_the_delta_is_small(passage: Passage) -> None:
    passage.moves(10_000, 2_000, 90, 7)
    done = passage.ended(passage.migrate())
    assert (done.status, done.phase, done.message) == (
        ExecutionStatus.COMPLETED,
        MigrationPhase.DEPLOYING,
        None,
    )
    assert [(item.moved_bytes, item.cutover) for item in done.passes] == [
        (10_000, False),
        (2_000, False),
        (90, False),
        (7, True),
    ]
    assert done.cutover_reason is CutoverReason.SMALL_DELTA
    assert done.passes[-1].execution_id == done.cutover_execution_id
    assert passage.runs() == [ExecutionType.TRANSFER_EXECUTION] * 4
    log = passage.log(passage.source)
    assert log.count("shutdown") == 1
    assert log[log.index("shutdown") :].count("deploy-source") == 1
    assert passage.off() == ["web"]
    deployment = passage.engine.database.deployments.get(done.deployment_id or "")
    assert deployment.execution.status is ExecutionStatus.COMPLETED


def test_the_downtime_is_measured_in_parts(passage: Passage) -> None:
    passage.moves(1)
    done = passage.ended(passage.migrate())
    assert done.downtime is not None
    downtime = done.downtime["web"]
    steps = passage.engine.database.steps
    (cutover,) = passage.engine.database.jobs.list(done.cutover_execution_id or "")
    (final,) = passage.engine.database.jobs.list(done.execution_id)
    began = steps.get(cutover.id, "shutdown_instance").began_at
    ended = steps.get(final.id, "finalize_instance").finished_at
    assert began is not None
    assert ended is not None
    assert downtime.total_seconds == pytest.approx(ended - began, abs=0.01)
    assert min(downtime.shutdown_seconds, downtime.morph_seconds, downtime.boot_seconds) >= 0
    assert downtime.last_delta_seconds > 0


def test_one_pass_is_enough_where_little_moves(passage: Passage) -> None:
    passage.moves(90)
    done = passage.ended(passage.migrate())
    assert [item.cutover for item in done.passes] == [False, True]


def test_a_delta_that_never_shrinks_is_cut_over(passage: Passage) -> None:
    passage.moves(10_000, 9_000)
    done = passage.ended(passage.migrate())
    assert done.cutover_reason is CutoverReason.NOT_SHRINKING
    assert len(done.passes) == 3
    assert done.status is ExecutionStatus.COMPLETED


def test_the_number_of_passes_is_limited_as_the_user_says(passage: Passage) -> None:
    passage.moves(10_000, 5_000, 2_500, 1_250)
    done = passage.ended(passage.migrate(max_passes=2))
    assert done.cutover_reason is CutoverReason.MAX_PASSES
    assert len(done.passes) == 3


def test_several_instances_are_carried_together(passage: Passage) -> None:
    passage.transfer(Scenario.LIVE_MIGRATION, "web", "db")
    passage.moves(60)
    done = passage.ended(passage.migrate())
    assert done.passes[0].moved_bytes == 120
    assert set(done.downtime or {}) == {"web", "db"}
    assert passage.off() == ["db", "web"]


def test_what_was_off_before_has_no_downtime_and_stays_off(passage: Passage) -> None:
    passage.moves(1)
    (passage.source / "off").mkdir()
    (passage.source / "off" / "web").touch()
    passage.fail(passage.destination, "finalize")
    failed = passage.ended(passage.migrate())
    assert failed.status is ExecutionStatus.ERROR
    assert passage.off() == ["web"]
    (passage.destination / "fail" / "finalize").unlink()
    done = passage.ended(passage.migrate())
    assert (done.status, done.downtime, done.number) == (ExecutionStatus.COMPLETED, {}, 2)


# What is refused


def test_only_a_live_migration_can_be_migrated_and_only_once(passage: Passage) -> None:
    passage.moves(1)
    live = passage.transfer_id
    passage.engine.database.transfers.update(live, clone_disks=False)
    with pytest.raises(NotSupported, match="clone_disks"):
        passage.migrate()
    passage.engine.database.transfers.update(live, clone_disks=True)
    done = passage.ended(passage.migrate())
    with pytest.raises(Conflict, match=f"deployed already, as {done.deployment_id}"):
        passage.migrate()
    passage.transfer(Scenario.REPLICA, "db")
    with pytest.raises(InvalidInput, match="is a replica: only a live_migration can be migrated"):
        passage.migrate()


def test_the_transfer_belongs_to_its_migration_also_between_two_runs(passage: Passage) -> None:
    passage.moves(1)
    assert passage.engine.carrier is not None
    passage.engine.carrier.stop()
    migration = passage.migrate()
    passage.until(lambda: passage.engine.database.live_migrations.has_ended(migration.execution_id))
    frontdoor = passage.engine.frontdoor
    for call in (
        lambda: frontdoor.execute_transfer(passage.transfer_id),
        lambda: frontdoor.deploy(passage.transfer_id, **OWNER),
        lambda: frontdoor.update_transfer(passage.transfer_id, notes="n"),
        lambda: passage.engine.database.transfers.delete(passage.transfer_id),
        passage.migrate,
    ):
        with pytest.raises(Conflict, match=f"in use by migration {migration.id}"):
            call()


def test_a_request_sent_twice_begins_one_migration(passage: Passage) -> None:
    passage.moves(1)
    request = CreationRequest("p", "key", b"migrate")
    first = passage.migrate(request=request)
    assert passage.migrate(request=request).id == first.id
    assert passage.ended(first).number == 1


# When it goes wrong


def test_a_pass_that_fails_ends_it_and_touches_no_instance(passage: Passage) -> None:
    passage.moves(10_000, 5_000)
    passage.fail(passage.destination, "copy")
    failed = passage.ended(passage.migrate())
    assert (failed.status, failed.phase) == (ExecutionStatus.ERROR, MigrationPhase.COPYING)
    assert failed.message == "web REPLICATE_DISKS: paper: copy failed: told to [CORI-2500]"
    assert "shutdown" not in passage.log(passage.source)


def test_what_a_deployment_would_refuse_is_found_before_anything_is_copied(passage: Passage) -> None:
    passage.moves(10_000)
    passage.fail(passage.destination, "validate-deployment")
    failed = passage.ended(passage.migrate())
    assert "web VALIDATE_DEPLOYMENT_INPUTS" in (failed.message or "")
    assert passage.copies() == 0


def test_and_again_before_the_instances_are_shut_down(passage: Passage) -> None:
    passage.moves(10_000, 50, 5)
    held = passage.hold(2)
    migration = passage.migrate()
    passage.until(lambda: passage.copies() == 2)
    passage.fail(passage.destination, "validate-deployment")
    held.unlink()
    failed = passage.ended(migration)
    assert (failed.status, failed.phase) == (ExecutionStatus.ERROR, MigrationPhase.CUTTING_OVER)
    assert "shutdown" not in passage.log(passage.source)
    assert "start" not in passage.log(passage.source)


@pytest.mark.parametrize(
    ("side", "verb"), [("source", "deploy-source"), ("destination", "morph"), ("destination", "finalize")]
)
def test_a_failure_after_the_shutdown_starts_the_source_again(passage: Passage, side: str, verb: str) -> None:
    passage.moves(10_000, 50, 5)
    held = passage.hold(2)
    migration = passage.migrate()
    passage.until(lambda: passage.copies() == 2)
    passage.fail(getattr(passage, side), verb)  # the workers of the passes are there by now
    held.unlink()
    failed = passage.ended(migration)
    assert failed.status is ExecutionStatus.ERROR
    assert failed.phase is MigrationPhase.STARTING_SOURCE
    assert "told to" in (failed.message or "")
    assert re.search(r"Started again on the source: 'web' after \d+ s\.$", failed.message or "")
    assert failed.downtime is None
    assert passage.off() == []
    assert passage.runs()[-1] is ExecutionType.TRANSFER_SOURCE_START
    (passage.source / "fail" / verb).unlink(missing_ok=True)
    (passage.destination / "fail" / verb).unlink(missing_ok=True)
    assert passage.ended(passage.migrate()).status is ExecutionStatus.COMPLETED


def test_the_source_stays_off_where_that_is_wished_and_the_user_is_told(passage: Passage) -> None:
    passage.moves(1)
    passage.fail(passage.destination, "finalize")
    failed = passage.ended(passage.migrate(restart_source_on_failure=False))
    assert passage.off() == ["web"]
    assert "Still shut down on the source, to be started there by hand: 'web'." in (failed.message or "")


def test_a_source_that_cannot_be_started_is_told(passage: Passage) -> None:
    passage.moves(1)
    passage.fail(passage.destination, "finalize")
    passage.fail(passage.source, "start")
    failed = passage.ended(passage.migrate())
    assert (failed.status, failed.phase) == (ExecutionStatus.ERROR, MigrationPhase.STARTING_SOURCE)
    assert "to be started there by hand: 'web'" in (failed.message or "")
    assert "start failed: told to" in (failed.message or "")


def test_the_source_is_not_started_beside_a_vm_that_could_not_be_removed(passage: Passage) -> None:
    passage.moves(1)
    passage.fail(passage.destination, "finalize")
    passage.fail(passage.destination, "delete-instance")
    failed = passage.ended(passage.migrate())
    left = passage.engine.database.resources.list(states=[ResourceState.LEFTOVER])
    assert "finalize_instance" in {entry.step for entry in left}
    assert passage.off() == ["web"]
    assert "its VM on the destination is there or could not be removed: 'web'" in (failed.message or "")


def test_replicas_that_vanished_end_it_with_the_source_started_again(passage: Passage) -> None:
    """What the deployment needs is refused before anything is queued."""
    passage.moves(1)
    held = passage.hold(2)
    migration = passage.migrate()
    passage.until(lambda: passage.copies() == 2)
    assert passage.engine.carrier is not None
    passage.engine.carrier.stop()
    held.unlink()
    passage.until(lambda: bool(passage.engine.database.live_migrations.to_be_moved()))
    ((seen, ended),) = passage.engine.database.live_migrations.to_be_moved()
    (job,) = passage.engine.database.jobs.list(seen.execution_id)
    fence = Fence(job.id, job.token)
    passage.engine.database.replicas.forget(fence, passage.transfer_id, "web", ["vda"])
    moves = Moves(passage.engine.database)
    assert moves.make(seen, ended)
    moved = passage.seen(migration)
    assert moved.phase is MigrationPhase.STARTING_SOURCE
    assert "'vda' has no replica" in (moved.message or "")


# Cancel


def test_a_cancel_while_copying_ends_it_at_once(passage: Passage) -> None:
    passage.moves(10_000)
    passage.hold(1)
    migration = passage.migrate()
    passage.until(lambda: passage.copies() == 1)
    passage.engine.frontdoor.cancel_migration(migration.id)
    done = passage.ended(migration)
    assert (done.status, done.message) == (ExecutionStatus.CANCELED, "Cancelled.")
    with pytest.raises(Conflict, match="not active"):
        passage.engine.frontdoor.cancel_migration(migration.id)


def test_a_cancel_after_the_shutdown_starts_the_source_again(passage: Passage) -> None:
    passage.moves(50, 5)
    passage.hold(2)
    migration = passage.migrate()
    passage.until(lambda: passage.copies() == 2)
    assert passage.off() == ["web"]
    passage.engine.frontdoor.cancel_migration(migration.id, force=True)
    done = passage.ended(migration)
    assert done.status is ExecutionStatus.CANCELED
    assert passage.off() == []
    assert re.search(r"Started again on the source: 'web' after \d+ s\.$", done.message or "")


def test_a_cancel_between_two_runs_is_seen_by_the_next_move(passage: Passage) -> None:
    passage.moves(10_000)
    assert passage.engine.carrier is not None
    passage.engine.carrier.stop()
    migration = passage.migrate()
    passage.until(lambda: bool(passage.engine.database.live_migrations.to_be_moved()))
    ((seen, ended),) = passage.engine.database.live_migrations.to_be_moved()
    passage.engine.frontdoor.cancel_migration(migration.id)
    moves = Moves(passage.engine.database)
    assert not moves.make(seen, ended)  # read before the wish: it moves nothing any more
    assert passage.seen(migration).wish is Wish.CANCEL
    assert passage.seen(migration).status is ExecutionStatus.RUNNING
    passage.engine.carrier.look()
    assert passage.seen(migration).status is ExecutionStatus.CANCELED
    assert passage.runs() == [ExecutionType.TRANSFER_EXECUTION]


def test_a_run_that_the_user_cancels_by_itself_ends_it(passage: Passage) -> None:
    passage.moves(10_000)
    passage.hold(1)
    migration = passage.migrate()
    passage.until(lambda: passage.copies() == 1)
    passage.engine.frontdoor.cancel_execution(migration.execution_id)
    assert passage.ended(migration).status is ExecutionStatus.CANCELED


# Many, and death


def test_of_many_conductors_one_makes_the_move(passage: Passage) -> None:
    passage.moves(10_000)
    assert passage.engine.carrier is not None
    passage.engine.carrier.stop()
    migration = passage.migrate()
    passage.until(lambda: bool(passage.engine.database.live_migrations.to_be_moved()))
    (seen,) = passage.engine.database.live_migrations.to_be_moved()
    answers: list[bool] = []
    start = threading.Barrier(6)

    def conductor() -> None:
        start.wait()
        answers.append(Moves(passage.engine.database).make(*seen))

    threads = [threading.Thread(target=conductor) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 5 + [True]
    assert len(passage.runs()) == 2
    assert len(passage.seen(migration).passes) == 1


def test_a_fault_of_ours_brings_the_source_back_and_stops_no_other_migration(
    passage: Passage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("ours")

    passage.moves(1)
    held = passage.hold(2)
    migration = passage.migrate()
    passage.until(lambda: passage.copies() == 2)
    monkeypatch.setattr("coriolis.engine.migration.moves.prepare_deployment", broken)
    held.unlink()
    failed = passage.ended(migration)
    assert failed.status is ExecutionStatus.ERROR
    assert "Unexpected KeyError: 'ours' [CORI-8000]" in (failed.message or "")
    assert passage.off() == []
    passage.fail(passage.source, "validate-source")
    with monkeypatch.context() as patch:
        patch.setattr("coriolis.engine.migration.facts.failure_of", broken)
        patch.setattr("coriolis.engine.migration.facts.instances_to_start", broken)
        stuck = passage.migrate()
        passage.until(lambda: bool(passage.engine.database.live_migrations.to_be_moved()))
    assert "told to" in (passage.ended(stuck).message or "")


def test_after_kill_9_between_two_passes_it_goes_on(passage: Passage) -> None:
    passage.moves(10_000, 50, 5)
    passage.engine.conductor.stop()  # type: ignore[union-attr]  # it is one
    migration = passage.migrate()
    passage.leave()
    first = passage.process("idle")
    passage.until(lambda: passage.copies() == 1 and "delete-target" in passage.log(passage.destination))
    time.sleep(1)  # the run ends; whether it has, does not matter
    first.kill()
    first.wait()
    passage.enter()
    done = passage.ended(migration)
    assert done.status is ExecutionStatus.COMPLETED
    assert [item.moved_bytes for item in done.passes] == [10_000, 50, 5]
    assert passage.copies() == 3


def test_after_kill_9_in_the_last_delta_it_goes_on_and_the_downtime_counts_all_of_it(
    passage: Passage,
) -> None:
    passage.moves(50, 5)
    held = passage.hold(2)
    passage.engine.conductor.stop()  # type: ignore[union-attr]  # it is one
    migration = passage.migrate()
    passage.leave()
    first = passage.process()
    passage.until(lambda: passage.copies() == 2)
    assert passage.off() == ["web"]
    first.kill()
    first.wait()
    held.unlink()
    passage.enter()
    done = passage.ended(migration)
    assert done.status is ExecutionStatus.COMPLETED
    assert passage.log(passage.source).count("start") == 0
    assert [item.interrupted for item in done.passes] == [False, True]
    assert done.downtime is not None
    assert done.downtime["web"].total_seconds > 0


def test_the_tasks_of_a_start_are_told_to_clients(passage: Passage) -> None:
    passage.moves(1)
    passage.fail(passage.destination, "finalize")
    failed = passage.ended(passage.migrate())
    tasks = passage.engine.database.tasks.list(failed.execution_id)
    assert [task.task_type for task in tasks] == [TaskType.GET_INSTANCE_INFO, TaskType.START_INSTANCE]
