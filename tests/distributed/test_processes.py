"""Three processes and their broker: what is said between them, and what its loss costs.

Conductor `us1` never looks for jobs by itself, so every job that it runs was told of by a message.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.distributed.installation import NEVER, ROOT, TOPIC, Installation, until
from tests.services.mariadb import MariaDb
from tests.unit.api.directory_cloud import PASSWORD


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDb) -> Iterator[Installation]:
    """Its broker comes after all the others."""
    with Installation(tmp_path_factory.mktemp("installation"), mariadb) as made:
        made.start("conductor", "eu1", conductor={"regions": "eu"}, engine={"poll_seconds": 1})
        made.start("conductor", "us1", conductor={"regions": "us"}, engine={"poll_seconds": NEVER})
        made.start("api", "api1")
        made.broker.start()
        yield made


@pytest.fixture(scope="module")
def ends(installation: Installation) -> dict[str, str]:
    """Endpoints by name, two of each region."""
    return {
        name: installation.endpoint(name, name[:2])
        for name in ("eu-source", "eu-target", "us-source", "us-target")
    }


def _heard(installation: Installation, endpoint: str) -> bool:
    """Whether a conductor answers for the cloud; it listens once it has found the broker."""
    return "networks" in installation.call("GET", f"/endpoints/{endpoint}/networks", expect=None)


def _woken(installation: Installation, ends: dict[str, str], execution: tuple[str, str]) -> dict[str, Any]:
    """The execution once it has ended. A conductor may have missed a wake-up while it looked for the broker, and hears
    the next one."""

    def begun() -> bool:
        if installation.execution(*execution)["status"] != "PENDING":
            return True
        other = installation.transfer(ends["us-source"], ends["us-target"])
        installation.execute(other)
        return False

    until(begun)
    return installation.completed(*execution)


def _told(installation: Installation) -> list[dict[str, Any]]:
    """The notifications sent so far, and not read before."""
    found = []
    with kombu.Connection(installation.broker.url.replace("rabbit://", "amqp://")) as connection:
        channel = connection.channel()
        for priority in ("info", "error"):
            kombu.Queue(f"{TOPIC}.{priority}", channel=channel, durable=False).queue_declare()
            while message := channel.basic_get(f"{TOPIC}.{priority}", no_ack=True):
                body = message.body
                found.append(json.loads(json.loads(body)["oslo.message"]))
    return found


def test_a_broker_that_comes_late_is_found(installation: Installation, ends: dict[str, str]) -> None:
    assert installation.statuses() == {"api1": "UP", "eu1": "UP", "us1": "UP"}
    assert installation.service("us1")["mapped_regions"] == [installation.region("us")]
    for end in ("eu-source", "us-source"):
        until(lambda end=end: _heard(installation, ends[end]))
    # each cloud was asked by a conductor of its region, and by nobody else
    assert installation.asked_by("eu-source") == {"eu1"}
    assert installation.asked_by("us-source") == {"us1"}


def test_every_inventory_call_is_answered_from_the_region(
    installation: Installation, ends: dict[str, str]
) -> None:
    path = f"/endpoints/{ends['us-source']}"
    assert [item["name"] for item in installation.call("GET", f"{path}/instances")["instances"]] == ["web"]
    shown = installation.call("GET", f"{path}/instances/d2Vi")["instance"]
    assert shown["devices"]["disks"][0]["size_bytes"] == 1 << 18
    assert installation.call("GET", f"{path}/storage")["storage"]["storage_backends"]
    assert installation.call("GET", f"{path}/source-options")["source_options"][0]["values"] == [
        "copy",
        "link",
    ]
    options = installation.call("GET", f"{path}/destination-options")["destination_options"]
    assert options[0]["values"][0] == {"id": "net-1", "name": "blue"}
    valid = installation.call("POST", f"{path}/actions", {"validate-connection": None})
    assert valid["validate-connection"]["valid"] is True


def test_errors_come_back_as_they_were(installation: Installation, ends: dict[str, str]) -> None:
    error = installation.call("GET", f"/endpoints/{ends['us-source']}/instances/bm9ib2R5", expect=404)[
        "error"
    ]
    assert error["error_code"] == "CORI-3001"
    assert error["message"] == "Instance 'nobody' was not found on endpoint 'us-source'."
    assert error["hint"] == "List what is there with: coriolis endpoint instance list us-source"
    password = installation.directory / "clouds" / "us-source" / "password"
    password.write_text("another")
    path = f"/endpoints/{ends['us-source']}/actions"
    refused = installation.call("POST", path, {"validate-connection": None})["validate-connection"]
    assert refused["valid"] is False
    assert "refused the credentials of user 'tester'" in refused["message"]
    password.write_text(PASSWORD)


def test_a_wake_up_starts_a_job_in_its_region_and_others_are_told(
    installation: Installation, ends: dict[str, str]
) -> None:
    transfer = installation.transfer(ends["us-source"], ends["us-target"])
    execution = installation.execute(transfer)
    ended = _woken(installation, ends, (transfer, execution))
    assert {task["host"] for task in ended["tasks"]} == {"us1"}
    assert installation.asked_by("us-target") == {"us1"}
    told: list[dict[str, Any]] = []

    def both() -> bool:
        told.extend(_told(installation))
        return {"transfer.execution.start", "transfer.execution.end"} <= {
            item["event_type"] for item in told if item["payload"]["execution_id"] == execution
        }

    until(both)
    end = next(
        item
        for item in told
        if (item["event_type"], item["payload"]["execution_id"]) == ("transfer.execution.end", execution)
    )
    assert (end["publisher_id"], end["priority"]) == ("coriolis.us1", "INFO")
    assert (end["payload"]["transfer_id"], end["payload"]["status"]) == (transfer, "COMPLETED")
    assert PASSWORD not in json.dumps(told)


def test_the_loss_of_the_broker_costs_a_poll_interval(
    installation: Installation, ends: dict[str, str]
) -> None:
    installation.broker.kill()
    transfer = installation.transfer(ends["eu-source"], ends["eu-target"])
    installation.completed(transfer, installation.execute(transfer))
    error = installation.call("GET", f"/endpoints/{ends['us-source']}/networks", expect=503)["error"]
    assert error["error_code"] == "CORI-8023"
    assert installation.statuses() == {"api1": "UP", "eu1": "UP", "us1": "UP"}
    waiting = installation.transfer(ends["us-source"], ends["us-target"])
    execution = installation.execute(waiting)
    installation.broker.start()
    until(lambda: _heard(installation, ends["us-source"]))
    _woken(installation, ends, (waiting, execution))
    for daemon in installation.daemons.values():
        lines = daemon.log.read_text().splitlines()
        lost = [line for line in lines if "the message broker cannot be used" in line]
        # at most one at the start, one of the outage, and one of a connection that was slow to notice
        assert 1 <= len(lost) <= 3, lost
        assert installation.broker.password not in "\n".join(lines)
        assert "Traceback" not in "\n".join(lines)


def test_a_service_that_died_or_stopped_is_down(installation: Installation, ends: dict[str, str]) -> None:
    us1 = installation.daemons["us1"]
    us1.signal(signal.SIGSTOP)
    until(lambda: installation.statuses()["us1"] == "DOWN", 30)
    error = installation.call("GET", f"/endpoints/{ends['us-source']}/networks", expect=503)["error"]
    assert error["error_code"] == "CORI-8021"
    assert "'us-source': us." in error["message"]
    transfer = installation.transfer(ends["us-source"], ends["us-target"])
    body = {"execution": {"shutdown_instances": False}}
    told = installation.call("POST", f"/transfers/{transfer}/executions", body, expect=503)["error"]
    assert told["error_code"] == "CORI-8021"
    us1.signal(signal.SIGCONT)
    until(lambda: installation.statuses()["us1"] == "UP", 30)
    until(lambda: _heard(installation, ends["us-source"]))

    us1.kill()
    until(lambda: installation.statuses()["us1"] == "DOWN", 30)
    assert installation.statuses()["eu1"] == "UP"
    installation.start("conductor", "us1", conductor={"regions": "us"}, engine={"poll_seconds": 1})
    assert installation.statuses()["us1"] == "UP"
    until(lambda: _heard(installation, ends["us-source"]))


def test_a_region_moves_to_another_conductor(installation: Installation, ends: dict[str, str]) -> None:
    both = [installation.region("eu"), installation.region("us")]
    path = f"/services/{installation.service('eu1')['id']}"
    installation.call("PUT", path, {"service": {"mapped_regions": both}})
    installation.call(
        "PUT", f"/services/{installation.service('us1')['id']}", {"service": {"mapped_regions": []}}
    )
    asked = installation.directory / "clouds" / "us-target" / "asked_by"

    def moved() -> bool:
        asked.unlink(missing_ok=True)
        return _heard(installation, ends["us-target"]) and installation.asked_by("us-target") == {"eu1"}

    until(moved)
    transfer = installation.transfer(ends["us-source"], ends["us-target"])
    ended = installation.completed(transfer, installation.execute(transfer))
    assert {task["host"] for task in ended["tasks"]} == {"eu1"}


def test_a_disabled_conductor_takes_no_new_jobs(installation: Installation, ends: dict[str, str]) -> None:
    anywhere = [installation.endpoint(name) for name in ("any-source", "any-target")]
    for host in ("eu1", "us1"):
        installation.call(
            "PUT", f"/services/{installation.service(host)['id']}", {"service": {"enabled": False}}
        )
        log = installation.daemons[host].log
        until(lambda log=log: "takes no new jobs any more" in log.read_text())
    transfer = installation.transfer(*anywhere)
    execution = installation.execute(transfer)
    installation.call("PUT", f"/services/{installation.service('us1')['id']}", {"service": {"enabled": True}})
    ended = installation.completed(transfer, execution)
    assert {task["host"] for task in ended["tasks"]} == {"us1"}


def test_sigterm_signs_off(installation: Installation) -> None:
    us1 = installation.daemons["us1"]
    us1.signal(signal.SIGTERM)
    assert us1.process.wait(60) == 0
    assert installation.statuses()["us1"] == "DOWN"
    api1 = installation.daemons["api1"]
    api1.signal(signal.SIGTERM)
    assert api1.process.wait(60) == 0


@pytest.mark.parametrize("which", ["api", "conductor"])
def test_a_database_that_is_behind_or_away(tmp_path: Path, mariadb: MariaDb, which: str) -> None:
    def run(url: str) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "coriolis.conf"
        file.write_text(
            f"[DEFAULT]\nstate_dir = {tmp_path}\n[api]\nport = 0\n[database]\nconnection = {url}\n"
        )
        return subprocess.run(
            [sys.executable, "-m", "tests.distributed.daemon", which, "--config-file", str(file)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    url = mariadb.new_database()
    behind = run(url)
    assert behind.returncode == os.EX_CONFIG
    assert "coriolis-manage db upgrade" in behind.stderr
    assert "Traceback" not in behind.stderr
    away = run(url.replace(str(mariadb.port), "1"))
    assert away.returncode == os.EX_UNAVAILABLE
    assert "Traceback" not in away.stderr
    assert mariadb.password not in away.stderr + behind.stderr
