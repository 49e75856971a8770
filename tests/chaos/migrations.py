"""Live migrations: a chain of runs, whose conductor dies at the calls where one of them becomes the next."""

import signal

from coriolis.model.enums import ExecutionStatus, Scenario
from coriolis.model.migration import Migration
from tests.chaos.catalogue import scenario
from tests.chaos.checks import Checks, digest
from tests.chaos.file_cloud import AFTER, BEFORE
from tests.chaos.interruptions import side
from tests.chaos.lane import MARIADB_2, OWNER, PATIENCE_SECONDS, SQLITE, Lane, Run, Subject

_MODES = (SQLITE, MARIADB_2)
_RUNS = 4  # a pass, the last delta, the deployment, and one more that a death may cost
_MOMENTS = (
    ("destination", "create-volume", AFTER),  # of the first pass
    ("source", "delete-snapshot", AFTER),  # the pass is over, and the next run not yet queued
    ("source", "shutdown", BEFORE),
    ("source", "shutdown", AFTER),
    ("destination", "create-volume-clone", AFTER),  # of the deployment, while the instance is down
    ("destination", "create-vm", AFTER),
)


def kill_in_migration(lane: Lane, cloud_name: str, verb: str, moment: str) -> list[str]:
    """Another conductor, or the next one, carries it to its end: once each run, and the instance is off at the source
    only because it is on at the destination."""
    checks, cloud = Checks(lane), side(lane, cloud_name)
    subject = lane.subject(scenario=Scenario.LIVE_MIGRATION)
    cloud.gate(verb, moment)
    begun = lane.frontdoor.migrate(subject.transfer_id, **OWNER)
    conductor = lane.wait_at(cloud, verb, moment, _RUNS * PATIENCE_SECONDS)
    conductor.end(signal.SIGKILL)
    cloud.open_gate(verb, moment)
    lane.ensure_conductors()
    return _completed(lane, subject, begun, checks)


def _completed(lane: Lane, subject: Subject, begun: Migration, checks: Checks) -> list[str]:
    def look() -> Migration:
        return lane.database.live_migrations.get(begun.id)

    lane.until(lambda: look().status.finished, "the migration ended", _RUNS * PATIENCE_SECONDS)
    migration = look()
    runs = _runs(lane, subject, migration)
    found = checks.violations(runs)
    if migration.status is not ExecutionStatus.COMPLETED:
        found.append(f"the migration ended {migration.status}: {migration.message}")
    if sum(one.cutover for one in migration.passes) != 1:
        found.append(f"not one last delta: {migration.passes}")
    if migration.downtime is None or set(migration.downtime) != {subject.instance}:
        found.append(f"downtime of {migration.downtime}, not of {subject.instance}")
    for replica in lane.replicas(subject):
        if digest(lane.destination.volume(replica.volume_id)) != digest(subject.disks[replica.disk_id]):
            found.append(f"the replica of {replica.disk_id} is not what the disk is")
    return found


def _runs(lane: Lane, subject: Subject, migration: Migration) -> list[Run]:
    runs = [Run(subject, one.execution_id) for one in migration.passes]
    if migration.deployment_id is not None:
        deployment = lane.database.deployments.get(migration.deployment_id)
        runs.append(Run(subject, deployment.execution.id, deployment.id))
    return runs


def _enter_all() -> None:
    for cloud, verb, moment in _MOMENTS:
        name = f"migration: kill -9 {moment} {verb}"
        scenario(name, cloud, verb, moment, modes=_MODES)(kill_in_migration)


_enter_all()
