"""One claimed job, from its stored plan to its end."""

import logging

from taskflow import engines, states
from taskflow import exceptions as taskflow_errors
from taskflow.engines.base import Engine
from taskflow.patterns import graph_flow
from taskflow.types import failure

from coriolis.config import Settings
from coriolis.engine.claims import Claim
from coriolis.engine.plan import Plan, load_plan
from coriolis.engine.registry import StepRegistry
from coriolis.engine.sessions import FindProvider, Sessions
from coriolis.engine.step_task import Run, StepStoppedError, StepTask, guarded, revert_step
from coriolis.engine.working_state import FencedBackend, forget_flow, open_flow
from coriolis.errors import EngineError, LeaseLost, UnknownStep
from coriolis.model.enums import ResourceState
from coriolis.model.records import JobState, Wish
from coriolis.store.database import Database

LOG = logging.getLogger(__name__)
_PARALLEL_STEPS = 4  # of one job: wider than any flow of ours
_ENDED = (states.SUCCESS, states.REVERTED)


def run_job(
    database: Database,
    settings: Settings,
    registry: StepRegistry,
    claim: Claim,
    find_provider: FindProvider,
) -> None:
    """Takes the job as far as it goes. When the claim or the database is lost it is left as last
    committed."""
    sessions = Sessions(database, settings, find_provider)
    try:
        guarded(claim, lambda: _load(database, settings, registry, claim, sessions).go())
    except LeaseLost as loss:
        LOG.warning("left job %s: %s", claim.job.id, loss)
    except UnknownStep as error:
        _hand_over(database, claim, str(error))
    except Exception as error:
        # A fault of ours outside any step: trying again and again would look like work and be none.
        LOG.exception("job %s met a fault of the engine", claim.job.id)
        _hand_over(database, claim, f"Unexpected {type(error).__name__} in the engine: {error}")
    finally:
        sessions.close()


def _load(
    database: Database, settings: Settings, registry: StepRegistry, claim: Claim, sessions: Sessions
) -> "_JobRun":
    plan = load_plan(claim.job.plan)
    steps = plan.load_steps(registry, database.codec)
    return _JobRun(Run(database, settings, claim, plan, steps, sessions))


def _hand_over(database: Database, claim: Claim, reason: str) -> None:
    LOG.error("job %s needs an operator: %s", claim.job.id, reason)
    try:
        database.jobs.needs_operator(claim.fence, reason)
    except LeaseLost as loss:
        LOG.warning("left job %s: %s", claim.job.id, loss)


class _JobRun:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._jobs = run.database.jobs
        self._job = run.claim.job
        self._fence = run.claim.fence
        self._backend = FencedBackend(run.database, run.claim.fence)

    def go(self) -> None:
        job = self._job
        if job.state is JobState.QUEUED and job.wish is not Wish.NONE:
            self._jobs.finish(self._fence, JobState.CANCELLED)
            return
        if job.state is JobState.COMPENSATING:
            self._run.claim.abort()  # whatever TaskFlow still holds for runnable must not begin
        book, details = open_flow(self._backend, job.id)
        if job.state is JobState.COMPENSATING and details.state in (None, *_ENDED):
            self._clean_leftovers()
        else:
            if job.state is JobState.QUEUED:
                self._jobs.begin(self._fence)
            engine = engines.load(
                build_graph(self._run),
                flow_detail=details,
                book=book,
                backend=self._backend,
                engine="parallel",
                max_workers=_PARALLEL_STEPS,
            )
            self._run_engine(engine)
        outcome = self._jobs.get(job.id).outcome or JobState.COMPLETED
        self._jobs.finish(self._fence, outcome)
        forget_flow(self._backend, job.id)

    def _run_engine(self, engine: Engine) -> None:
        engine.compile()
        engine.prepare()
        engine.validate()
        if self._job.state is not JobState.QUEUED and self._must_undo():
            self._jobs.begin_compensation(self._fence, JobState.CANCELLED)
            fail_unfinished(engine, self._run.plan)
        try:
            engine.run()
        except StepStoppedError as stopped:
            LOG.info("job %s was undone: %s", self._job.id, stopped)
        except taskflow_errors.WrappedFailure as stopped:
            _reraise_foreign(stopped)
            LOG.info("job %s was undone", self._job.id)

    def _must_undo(self) -> bool:
        if self._job.state is JobState.COMPENSATING:
            return True
        return self._job.wish is not Wish.NONE and not self._all_finished()

    def _all_finished(self) -> bool:
        """The process died between the last step and the job's end: a wish to cancel came too late."""
        steps = self._run.database.steps
        return all(steps.get(self._job.id, step.name).finished for step in self._run.plan.steps)

    def _clean_leftovers(self) -> None:
        """Another try at what an earlier clean-up could not remove."""
        left = self._run.database.resources.list(job_id=self._job.id, states=[ResourceState.LEFTOVER])
        owing = {entry.step for entry in left}
        for step in reversed(self._run.plan.steps):
            if step.name in owing:
                revert_step(self._run, step.name)


def build_graph(run: Run) -> graph_flow.Flow:
    """The graph is the stored plan, edge by edge; TaskFlow derives none from names of values."""
    graph = graph_flow.Flow(run.plan.flow)
    tasks = {step.name: StepTask(step.name, run) for step in run.plan.steps}
    graph.add(*tasks.values())
    for step in run.plan.steps:
        for parent in step.after:
            graph.link(tasks[parent], tasks[step.name])
    return graph


def fail_unfinished(engine: Engine, plan: Plan) -> None:
    """Makes the steps that a dead process was in the middle of count as failed, so that the engine undoes
    them.

    TaskFlow has no verb for this; tests/unit/engine/test_working_state.py holds us to what it does.
    """
    cancelled = failure.Failure.from_exception(StepStoppedError("cancelled"))
    for step in plan.steps:
        if engine.storage.get_atom_state(step.name) == states.RUNNING:
            engine.storage.save(step.name, cancelled, states.FAILURE)


def _reraise_foreign(wrapped: taskflow_errors.WrappedFailure) -> None:
    """Several steps failed at once; anything among it that is not a step's own end is a fault of the
    engine."""
    for one in wrapped:
        if one.check(StepStoppedError) is None:
            raise EngineError(message=f"TaskFlow: {one.exception_str}")
