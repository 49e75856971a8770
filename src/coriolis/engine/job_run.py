"""One claimed job, from its stored plan to its end."""

import logging
from concurrent.futures import Executor, ThreadPoolExecutor

from taskflow import exceptions as taskflow_errors
from taskflow.engines.action_engine.engine import ParallelActionEngine
from taskflow.patterns import graph_flow
from taskflow.persistence.models import FlowDetail

from coriolis.config import Settings
from coriolis.engine.claims import Claim
from coriolis.engine.plan import load_plan
from coriolis.engine.registry import StepRegistry
from coriolis.engine.run import Run, guarded
from coriolis.engine.sessions import FindProvider, Sessions
from coriolis.engine.step_history import StepHistory
from coriolis.engine.step_task import StepStoppedError, StepTask
from coriolis.engine.working_state import NoBackend, working_state
from coriolis.errors import EngineError, LeaseLost, UnknownPlan, UnknownStep, UnreadableStep
from coriolis.model.records import Job, JobState, Wish
from coriolis.store.database import Database

LOG = logging.getLogger(__name__)
_PARALLEL_STEPS = 4  # of one job: wider than any flow of ours


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
        guarded(claim, lambda: _go(database, settings, registry, claim, sessions))
    except LeaseLost as loss:
        LOG.warning("left job %s: %s", claim.job.id, loss)
    except (UnknownPlan, UnknownStep, UnreadableStep) as error:
        _hand_over(database, claim, str(error))
    except Exception as error:
        # A fault of ours outside any step: trying again and again would look like work and be none.
        LOG.exception("job %s met a fault of the engine", claim.job.id)
        _hand_over(database, claim, f"Unexpected {type(error).__name__} in the engine: {error}")
    finally:
        sessions.close()


def _go(
    database: Database, settings: Settings, registry: StepRegistry, claim: Claim, sessions: Sessions
) -> None:
    job, fence = claim.job, claim.fence
    plan = load_plan(job.plan)
    history = StepHistory(database, fence, settings.host_name)
    undoing = _must_undo(job, all_finished=all(history[step.name].finished for step in plan.steps))
    steps = plan.load_steps(registry, database.codec, history.begun if undoing else None)
    if undoing:
        database.jobs.begin_compensation(fence, JobState.CANCELLED)
    _run_steps(Run(database, settings, claim, plan, history, steps, sessions), undoing=undoing)
    database.jobs.finish(fence)


def _must_undo(job: Job, *, all_finished: bool) -> bool:
    """A wish to cancel that came between the last step and the job's end came too late."""
    return job.state is JobState.COMPENSATING or (job.wish is not Wish.NONE and not all_finished)


def _run_steps(run: Run, *, undoing: bool) -> None:
    state = working_state(run.plan, run.history.begun, undoing=undoing)
    # Threads of our own: those of TaskFlow's choice take up to a second to notice that a job has ended.
    with ThreadPoolExecutor(_PARALLEL_STEPS, f"job-{run.claim.job.id[:8]}") as threads:
        _run_engine(run, state, threads)


def _run_engine(run: Run, state: FlowDetail, threads: Executor) -> None:
    # The class itself: looking it up by name reads the entry points of every installed package.
    engine = ParallelActionEngine(
        build_graph(run), state, NoBackend(), options={"executor": threads, "gather_statistics": False}
    )
    try:
        engine.run()
    except StepStoppedError as stopped:
        LOG.info("job %s was undone: %s", run.claim.job.id, stopped)
    except taskflow_errors.WrappedFailure as stopped:
        _reraise_foreign(stopped)
        LOG.info("job %s was undone", run.claim.job.id)


def build_graph(run: Run) -> graph_flow.Flow:
    """The graph is the stored plan, edge by edge; TaskFlow derives none from names of values."""
    graph = graph_flow.Flow(run.plan.flow)
    tasks = {step.name: StepTask(step.name, run) for step in run.plan.steps}
    graph.add(*tasks.values())
    for step in run.plan.steps:
        for parent in step.after:
            graph.link(tasks[parent], tasks[step.name])
    return graph


def _hand_over(database: Database, claim: Claim, reason: str) -> None:
    LOG.error("job %s needs an operator: %s", claim.job.id, reason)
    try:
        guarded(claim, lambda: database.jobs.needs_operator(claim.fence, reason))
    except LeaseLost as loss:
        LOG.warning("left job %s: %s", claim.job.id, loss)


def _reraise_foreign(wrapped: taskflow_errors.WrappedFailure) -> None:
    """Several steps failed at once; anything among it that is not a step's own end is a fault of the
    engine."""
    for one in wrapped:
        if one.check(StepStoppedError) is None:
            raise EngineError(message=f"TaskFlow: {one.exception_str}")
