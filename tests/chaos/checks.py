"""What must hold after each scenario, whatever happened in it."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coriolis.model.enums import ResourceKind, ResourceState
from coriolis.model.records import Job, JobState
from tests.chaos.file_cloud import Call, FileCloud
from tests.chaos.lane import Lane, Run, Subject

_FORWARD = ("create", "attach", "shutdown", "linger")  # verbs of steps that make something
_SETTLE_SECONDS = 15.0  # for an agent or a paused conductor to find out that it has lost


@dataclass
class Checks:
    """Made before a scenario; `violations` after it says what went wrong since."""

    lane: Lane
    _seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for cloud in self._clouds:
            self._seen[str(cloud.directory)] = len(cloud.violations())

    @property
    def _clouds(self) -> tuple[FileCloud, FileCloud]:
        return self.lane.source, self.lane.destination

    def violations(self, runs: Sequence[Run], *, leftovers: bool = False) -> list[str]:
        """`leftovers`: the scenario made a removal fail, so that some are expected, with a reason."""
        found: list[str] = []
        for cloud in self._clouds:
            found += cloud.violations()[self._seen[str(cloud.directory)] :]
        for run in runs:
            for job in self.lane.database.jobs.list(run.execution_id):
                calls = [call for cloud in self._clouds for call in cloud.journal() if call.job == job.id]
                found += tokens_rise(calls)
                found += finished_steps_stay_finished(job, calls)
                found += ledger_is_settled(self.lane, job, leftovers=leftovers)
                if not job.state.finished:
                    found.append(f"job {job.id} is {job.state}: {job.reason}")
        found += ledger_tells_what_there_is(self.lane)
        found += self._writers_are_gone(runs)
        found += [text for run in runs for text in replica_is_right(self.lane, run)]
        return list(dict.fromkeys(found))

    def _writers_are_gone(self, runs: Sequence[Run]) -> list[str]:
        volumes = {r.volume_id for run in runs for r in self.lane.replicas(run.subject)}
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            left = {volume: pids for volume in volumes if (pids := self.lane.destination.writers(volume))}
            if not left:
                return []
            if time.monotonic() > deadline:
                return [f"processes {pids} still have volume {volume} open" for volume, pids in left.items()]
            time.sleep(0.2)


def tokens_rise(calls: Sequence[Call]) -> list[str]:
    """By one cloud's journal no call begins with a token lower than one seen before."""
    highest, found = 0, []
    for call in sorted(calls, key=lambda call: call.at):
        if call.moment == "begin" and call.token is not None:
            if call.token < highest:
                found.append(f"{call.verb} with token {call.token} after one with {highest}")
            highest = max(highest, call.token)
    return found


def finished_steps_stay_finished(job: Job, calls: Sequence[Call]) -> list[str]:
    """A step that another waits for has finished when that one makes something; it makes nothing any more."""
    before = _ancestors(job)
    done: set[str] = set()
    found = []
    for call in sorted(calls, key=lambda call: call.at):
        if call.moment != "begin" or call.step is None or not call.verb.startswith(_FORWARD):
            continue
        if call.step in done:
            found.append(f"step {call.step} ran again after it had finished ({call.verb})")
        done |= before.get(call.step, set())
    return found


def _ancestors(job: Job) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for step in job.plan["steps"]:
        found[step["name"]] = set(step["after"]).union(*(found[parent] for parent in step["after"]))
    return found


def ledger_is_settled(lane: Lane, job: Job, *, leftovers: bool) -> list[str]:
    found = []
    for entry in lane.database.resources.list(job_id=job.id):
        if entry.state in (ResourceState.PLANNED, ResourceState.PRESENT):
            found.append(f"{entry.kind} {entry.name} is still {entry.state}")
        if entry.state is ResourceState.LEFTOVER and not (leftovers and entry.reason):
            found.append(f"{entry.kind} {entry.name} was left behind: {entry.reason}")
    return found


def wait_for_strays_to_go(lane: Lane) -> None:
    """What a paused conductor makes beside the new owner it takes back once it knows; checks tell what stays."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        there = [thing for cloud in (lane.source, lane.destination) for thing in cloud.names()]
        if len(there) == len(set(there)):
            return
        time.sleep(0.2)


def ledger_tells_what_there_is(lane: Lane) -> list[str]:
    """Nothing is in a cloud that the ledger does not know, and what it says is kept is there."""
    owed = (ResourceState.KEPT, ResourceState.LEFTOVER)
    rows = {(row.kind, row.name): row.state for row in lane.database.resources.list(states=owed)}
    there: dict[tuple[ResourceKind, str], int] = {}
    for cloud in (lane.source, lane.destination):
        for thing in cloud.names():
            there[thing] = there.get(thing, 0) + 1
    found = [
        f"{kind} {name} is in a cloud, and in no ledger" for kind, name in there if (kind, name) not in rows
    ]
    found += [f"{kind} {name} is there {n} times" for (kind, name), n in there.items() if n > 1]
    for (kind, name), state in rows.items():
        if state is ResourceState.KEPT and (kind, name) not in there:
            found.append(f"{kind} {name} is kept, says the ledger, and is not there")
    return found


def replica_is_right(lane: Lane, run: Run) -> list[str]:
    """After an execution that completed, each replica is its disk, byte for byte."""
    job = lane.job(run)
    if (
        run.deployment_id is not None
        or job.flow != "transfer_execution"
        or job.state is not JobState.COMPLETED
    ):
        return []
    found = []
    by_disk = {replica.disk_id: replica for replica in lane.replicas(run.subject)}
    for disk_id, path in run.subject.disks.items():
        replica = by_disk.get(disk_id)
        if replica is None or replica.dirty:
            found.append(f"the replica of {disk_id} is missing or dirty")
        elif digest(lane.destination.volume(replica.volume_id)) != digest(path):
            found.append(f"the replica of {disk_id} is not what the disk is")
    return found


def replica_digests(lane: Lane, subject: Subject) -> dict[str, str]:
    return {r.disk_id: digest(lane.destination.volume(r.volume_id)) for r in lane.replicas(subject)}


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
