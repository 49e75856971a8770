"""Two hundred jobs under limits, and requests that come twice."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests
import sqlalchemy as sa
import uvicorn

from coriolis.api.app import create_app
from coriolis.engine.plan import FlowStep, new_job
from coriolis.model.enums import ExecutionType, Scenario
from coriolis.model.queue import Needs
from coriolis.model.records import JobState
from coriolis.store.tables import JOB
from tests.chaos.catalogue import scenario
from tests.chaos.checks import Checks
from tests.chaos.file_cloud import Call
from tests.chaos.file_provider import PLATFORM
from tests.chaos.lane import MARIADB_2, OWNER, SQLITE, Lane, LaneWishes, Run, Subject
from tests.chaos.linger import Linger

_JOBS = 200
_TOTAL, _PER_ENDPOINT, _PER_HOST = 6, 3, 5
_LIMITS = f"max_jobs = {_TOTAL}\nmax_jobs_per_endpoint = {_PER_ENDPOINT}\nmax_jobs_per_host = {_PER_HOST}\n"
_SECONDS = 600.0


@scenario("200 queued jobs under limits", own_lane=LaneWishes(settings=_LIMITS))
def many_jobs(lane: Lane) -> list[str]:
    """From and to three pairs of clouds. At no moment are more at work than the limits allow, and all complete."""
    checks = Checks(lane)
    pairs = [_pair(lane, number) for number in range(3)]
    pair_of: dict[str, int] = {}
    runs = []
    for number in range(_JOBS):
        pair = number % len(pairs)
        runs.append(_queue(lane, pairs[pair], f"subject-{number}"))
        pair_of[f"subject-{number}"] = pair
    most = 0
    deadline = time.monotonic() + _SECONDS
    while lane.database.queue.count():
        assert time.monotonic() < deadline, f"{lane.database.queue.count()} jobs are still there"
        most = max(most, _held(lane))
        time.sleep(0.1)
    found = checks.violations(runs)
    found += _over("in all", _concurrent(lane.source.journal()), min(_TOTAL, _PER_HOST))
    found += _over("rows with an owner", most, min(_TOTAL, _PER_HOST))
    for pair in range(len(pairs)):
        calls = [call for call in lane.source.journal() if pair_of.get(call.subject) == pair]
        found += _over(f"on pair {pair}", _concurrent(calls), _PER_ENDPOINT)
    states = {lane.job(run).state for run in runs}
    return found if states == {JobState.COMPLETED} else [*found, f"jobs ended {states}"]


@scenario("double submit with one idempotency key", quick=(SQLITE, MARIADB_2))
def double_submit(lane: Lane) -> list[str]:
    """Through two API servers at once: one execution, and every answer names it."""
    checks, subject = Checks(lane), lane.subject()
    path = f"/v1/{OWNER['project_id']}/transfers/{subject.transfer_id}/executions"

    def post(url: str) -> tuple[int, str]:
        body = {"execution": {"shutdown_instances": False}}
        answer = requests.post(url + path, json=body, headers={"Idempotency-Key": "once"}, timeout=60)
        return answer.status_code, answer.json().get("execution", {}).get("id", answer.text)

    with _api(lane) as one, _api(lane) as other, ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(post, [one, other] * 4))
        late = post(one)
    found = [] if len(answers) == 1 and late in answers else [f"the answers differ: {answers}, {late}"]
    executions = lane.database.executions.list(subject.transfer_id)
    if len(executions) != 1:
        return [*found, f"{len(executions)} executions were made"]
    run = Run(subject, executions[0].id)
    state = lane.ended(run).state
    found += [] if state is JobState.COMPLETED else [f"the job ended {state}"]
    return found + checks.violations([run])


@contextmanager
def _api(lane: Lane) -> Iterator[str]:
    """The root URL of a server."""
    app = create_app(lane.frontdoor, lane.database, lane.settings)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        lane.until(lambda: server.started, "the API is up")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def _pair(lane: Lane, number: int) -> tuple[str, str]:
    ends = [
        lane.database.endpoints.create(
            **OWNER,
            name=f"{side}-{number}",
            type=PLATFORM,
            connection_info={"directory": str(lane.source.directory), "number": number, "side": side},
        )
        for side in ("from", "to")
    ]
    return ends[0].id, ends[1].id


def _queue(lane: Lane, pair: tuple[str, str], name: str) -> Run:
    transfer = lane.database.transfers.create(
        **OWNER,
        scenario=Scenario.REPLICA,
        instances=[name],
        origin_endpoint_id=pair[0],
        destination_endpoint_id=pair[1],
    )
    step = FlowStep("linger", Linger(lane.source.directory, 0.2, name))
    needs = Needs(origin_endpoint_id=pair[0], destination_endpoint_id=pair[1])
    job = new_job(name, "linger", 1, [step], lane.database.codec, needs=needs)
    with lane.database.write() as connection:
        kind = ExecutionType.TRANSFER_EXECUTION
        execution_id = lane.database.executions.submit(connection, transfer.id, kind, [job])
    return Run(Subject(transfer.id, name, {}), execution_id)


def _held(lane: Lane) -> int:
    """Jobs that somebody holds at this moment."""
    query = sa.select(sa.func.count()).select_from(JOB).where(JOB.c.owner.is_not(None))
    with lane.database.read() as connection:
        return connection.scalar(query) or 0


def _concurrent(calls: Sequence[Call]) -> int:
    """The most subjects that were between `linger` and `lingered` at one moment."""
    inside: set[str] = set()
    most = 0
    for call in calls:
        if call.verb == "linger" and call.moment == "end":
            inside.add(call.subject)
        elif call.verb == "lingered" and call.moment == "begin":
            inside.discard(call.subject)
        most = max(most, len(inside))
    return most


def _over(what: str, most: int, limit: int) -> list[str]:
    return [f"{most} jobs at once {what}: the limit is {limit}"] if most > limit else []
