"""What one database takes: lines of progress, renewed claims and looks at the queue a second, by several writers."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bench import noop
from bench.runs import Place, scene
from coriolis.errors import LeaseLost
from coriolis.model.queue import Claimant
from coriolis.store.database import Database, Fence

_SECONDS = 8.0
_WRITERS = 4


@dataclass(frozen=True, slots=True)
class Rate:
    """Of calls a second, all writers together."""

    place: str
    what: str
    per_second: float


def rates(place: Place) -> list[Rate]:
    with scene(place) as (database, _):
        transfers = noop.make_transfers(database, _WRITERS)
        for transfer_id in transfers:
            noop.submit(database, transfer_id)
        claims = [_claim(database, f"bench-{number}") for number in range(_WRITERS)]
        line = {"line": {"message": "so far", "current_step": 1, "total_steps": 100}}

        def progress(fence: Fence) -> None:
            database.tasks.set_progress(fence, noop.FIRST_STEP, line)

        def renew(fence: Fence) -> None:
            database.queue.renew({fence.job_id: fence.token}, 60.0)

        def look(fence: Fence) -> None:
            database.queue.wishes({fence.job_id: fence.token})

        calls: dict[str, Callable[[Fence], None]] = {
            "lines of progress": progress,
            "renewed claims": renew,
            "looks at wishes": look,
        }
        return [Rate(place.name, what, _rate(call, claims)) for what, call in calls.items()]


def _claim(database: Database, owner: str) -> Fence:
    claimant = Claimant(owner, owner)
    job = database.queue.claim_next(claimant, 60.0)
    if job is None:
        raise RuntimeError("nothing to claim")
    return Fence(job.id, job.token)


def _rate(call: Callable[[Fence], None], claims: list[Fence]) -> float:
    done = [0] * len(claims)
    until = time.monotonic() + _SECONDS

    def work(number: int) -> None:
        with suppress(LeaseLost):
            while time.monotonic() < until:
                call(claims[number])
                done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(claims))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / _SECONDS
