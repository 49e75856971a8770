"""Jobs whose steps do nothing: what is left is what the engine itself costs."""

import time
from dataclasses import dataclass

import sqlalchemy as sa

from coriolis.engine.context import StepContext
from coriolis.engine.plan import FlowStep, new_job
from coriolis.engine.step import Step
from coriolis.model.enums import ExecutionType, Scenario, TaskType
from coriolis.model.records import JobState
from coriolis.store.database import Database
from coriolis.store.repository import new_id
from coriolis.store.tables import JOB

STEPS_PER_JOB = 12
FIRST_STEP = "step-01"
_OWNER = {"user_id": "bench", "project_id": "bench"}
_ENDED = [state for state in JobState if state.finished]


@dataclass(frozen=True)
class Nothing(Step):
    """Its result is the wall clock when it ran, so that nothing else need be installed to time a start."""

    key = "nothing"
    task_type = TaskType.GET_INSTANCE_INFO

    number: int

    def execute(self, op: StepContext) -> float:
        op.check()
        return time.time()


STEPS: tuple[type[Step], ...] = (Nothing,)


def make_transfers(database: Database, count: int) -> list[str]:
    """Ids of transfers between the same two clouds."""
    ends = [
        database.endpoints.create(**_OWNER, name=name, type="bench", connection_info={"cloud": new_id()})
        for name in ("source", "destination")
    ]
    return [
        database.transfers.create(
            **_OWNER,
            scenario=Scenario.REPLICA,
            instances=["vm"],
            origin_endpoint_id=ends[0].id,
            destination_endpoint_id=ends[1].id,
        ).id
        for _ in range(count)
    ]


def submit(database: Database, transfer_id: str) -> tuple[str, float]:
    """Queues one job, as one execution. Returns the execution's id and the wall clock when it was
    committed."""
    steps = [
        FlowStep(f"step-{n:02}", Nothing(n), (f"step-{n - 1:02}",) if n > 1 else ())
        for n in range(1, STEPS_PER_JOB + 1)
    ]
    job = new_job("vm", "bench", 1, steps, database.codec)
    with database.write() as connection:
        execution_id = database.executions.submit(
            connection, transfer_id, ExecutionType.TRANSFER_EXECUTION, [job]
        )
    return execution_id, time.time()


def count_unfinished(database: Database) -> int:
    with database.read() as connection:
        query = sa.select(sa.func.count()).select_from(JOB).where(JOB.c.state.not_in(_ENDED))
        return connection.scalar(query) or 0


def count_completed(database: Database) -> int:
    with database.read() as connection:
        query = sa.select(sa.func.count()).select_from(JOB).where(JOB.c.state == JobState.COMPLETED)
        return connection.scalar(query) or 0


def first_step_ran(database: Database, execution_id: str) -> float | None:
    """The wall clock at which the execution's first step ran; None: not yet."""
    (job,) = database.jobs.list(execution_id)
    state = database.steps.get(job.id, FIRST_STEP)
    return float(state.result) if state.finished else None
