"""Sessions at the command line against a live server, as a person would see them."""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.unit.api.directory_cloud import PASSWORD, PLATFORM, connection
from tests.unit.api.live_server import Clouds, LiveServer, wait_for
from tests.unit.cli.conftest import Coriolis

GOLDEN = Path(__file__).parent / "golden"
_REPLACED = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"), "TIME"),
    (re.compile(r"coriolis-[0-9a-f]{8}-"), "coriolis-JOB-"),
    (re.compile(r"^\d\d:\d\d:\d\d  ", re.MULTILINE), "TIME  "),
    (re.compile(r"after \d+ (s|min \d\d s) of watching"), "after A WHILE of watching"),
    (re.compile(r"/\S*/(source|destination)\b"), r"/clouds/\1"),
    (re.compile(r"/\S*/state/"), "/state/"),
    # the width of a table's column follows what was replaced
    (re.compile(r"-{3,}"), "---"),
    (re.compile(r" {2,}"), "  "),
)


def _golden(name: str, text: str) -> None:
    """Compares with golden/NAME.txt, where what differs from run to run has a name. UPDATE_GOLDEN=1 writes it
    anew: look at what git shows then."""
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / f"{name}.txt").write_text(text)
    assert text == (GOLDEN / f"{name}.txt").read_text()


@pytest.fixture
def endpoints(coriolis: Coriolis, clouds: Clouds, tmp_path: Path) -> str:
    """Made through a file, standard input being the terminal; the transcript of it."""
    file = tmp_path / "connection.json"
    text = ""
    for name, cloud in (("here", clouds.source), ("there", clouds.destination)):
        file.write_text(json.dumps(connection(cloud)))
        text += coriolis(
            "endpoint", "create", "--name", name, "--provider", PLATFORM, "--connection-file", str(file)
        )
    return text


@pytest.fixture
def transfer(coriolis: Coriolis, endpoints: str) -> str:
    """The id of a transfer of `web`."""
    made = coriolis(
        *(
            "transfer",
            "create",
            "--origin-endpoint",
            "here",
            "--destination-endpoint",
            "there",
            "--instance",
            "web",
        ),
        *("--destination-environment", '{"network": "net-1"}', "--network-map", '{"blue": "net-2"}'),
        *("-f", "value", "-c", "id"),
    )
    return made.strip()


def test_providers(coriolis: Coriolis) -> None:
    _golden("provider_schema_list", coriolis("provider", "schema", "list", PLATFORM, "source"))
    listed = json.loads(coriolis("provider", "list", "-f", "json"))
    assert [row["Platform"] for row in listed] == [PLATFORM]
    assert 16 in listed[0]["Provider Types"]
    assert "endpoint_networks" in coriolis("provider", "list")


def test_endpoints(coriolis: Coriolis, endpoints: str) -> None:
    _golden("endpoint_create", endpoints)
    _golden("endpoint_list", coriolis("endpoint", "list", "-c", "Name", "-c", "Type", "-c", "Description"))
    assert coriolis("endpoint", "validate", "connection", "here") == "The connection is valid.\n"
    changed = coriolis("endpoint", "update", "here", "--description", "the old cloud", "-f", "json")
    assert json.loads(changed)["description"] == "the old cloud"
    assert (
        json.loads(coriolis("endpoint", "show", "here", "-f", "json"))["connection_info"]["password"] == "***"
    )
    assert coriolis("endpoint", "delete", "there") == ""
    assert [row["Name"] for row in json.loads(coriolis("endpoint", "list", "-f", "json"))] == ["here"]


def test_what_an_endpoint_has(coriolis: Coriolis, endpoints: str, tmp_path: Path) -> None:
    _golden("endpoint_instance_list", coriolis("endpoint", "instance", "list", "here"))
    shown = json.loads(coriolis("endpoint", "instance", "show", "here", "web", "-f", "json"))
    assert shown["devices"]["disks"][0]["id"] == "disk-web"
    assert coriolis("endpoint", "network", "list", "there", "-f", "csv") == (
        '"ID","Name"\n"net-1","blue"\n"net-2","green"\n'
    )
    _golden("endpoint_storage_list", coriolis("endpoint", "storage", "list", "there"))
    _golden(
        "endpoint_destination_options_list", coriolis("endpoint", "destination", "options", "list", "there")
    )
    assert coriolis("endpoint", "source", "options", "list", "here", "--options", "method", "-f", "yaml") == (
        "- Default: copy\n  Name: method\n  Values:\n  - copy\n  - link\n"
    )
    file = tmp_path / "inventory.csv"
    assert coriolis("endpoint", "export", "inventory", "here", "--output-file", str(file)) == ""
    assert file.read_text() == coriolis("endpoint", "export", "inventory", "here")
    assert file.read_text().startswith("id,name,")


def test_a_replica_and_its_deployment(coriolis: Coriolis, transfer: str) -> None:
    _golden("transfer_show", coriolis("transfer", "show", transfer))
    _golden("transfer_execute_wait", coriolis("transfer", "execute", transfer, "--wait"))
    _golden("transfer_execution_watch", coriolis("transfer", "execution", "watch", transfer))
    listed = coriolis("transfer", "execution", "list", transfer, "-c", "Number", "-c", "Type", "-c", "Status")
    _golden("transfer_execution_list", listed)
    made = json.loads(coriolis("deployment", "create", transfer, "--wait", "-f", "json"))
    assert made["last_execution_status"] == "COMPLETED"
    assert made["transfer_result"]["web"]["addresses"] == ["10.1.0.5"]
    _golden("deployment_watch", coriolis("deployment", "watch", made["id"]))
    _golden("deployment_list", coriolis("deployment", "list"))
    _golden(
        "resource_list",
        coriolis("resource", "list", "-c", "Kind", "-c", "Name", "-c", "State", "-c", "Reason"),
    )
    assert coriolis("resource", "list", "--leftover", "-f", "value") == ""
    assert coriolis("deployment", "delete", made["id"]) == ""
    data = json.loads(coriolis("transfer", "show", transfer, "--show-instances-data", "-f", "json"))
    assert data["info"]["web"]["volumes_info"][0]["generation"] == 1
    removed = json.loads(coriolis("transfer", "disks", "delete", transfer, "--wait", "-f", "json"))
    assert removed["status"] == "COMPLETED"
    assert coriolis("transfer", "delete", transfer) == ""
    assert coriolis("transfer", "list", "-f", "value") == ""


def _without_durations(text: str) -> str:
    return re.sub(r"\b(\d+ min )?\d+ s\b", "SECONDS", text)


def _live_migration(coriolis: Coriolis) -> str:
    """The id of one of `web`."""
    made = coriolis(
        *("transfer", "create", "--origin-endpoint", "here", "--destination-endpoint", "there"),
        *("--instance", "web", "--scenario", "live_migration"),
        *("--destination-environment", '{"network": "net-1"}', "--network-map", '{"blue": "net-2"}'),
        *("-f", "value", "-c", "id"),
    )
    return made.strip()


def test_a_migration(coriolis: Coriolis, endpoints: str) -> None:
    transfer = _live_migration(coriolis)
    shown = coriolis("transfer", "migrate", transfer, "--small-delta-bytes", "1M", "--wait", "-f", "json")
    done = json.loads(shown)
    assert done["status"] == "COMPLETED"
    assert done["small_delta_bytes"] == 1024 * 1024
    parts = {name: value for name, value in done["downtime"]["web"].items() if name != "total_seconds"}
    assert sum(parts.values()) == pytest.approx(done["downtime"]["web"]["total_seconds"], abs=0.01)
    _golden(
        "transfer_migration_show", _without_durations(coriolis("transfer", "migration", "show", transfer))
    )
    _golden("transfer_show_migrated", _without_durations(coriolis("transfer", "show", transfer)))
    shown = coriolis("deployment", "show", done["deployment_id"])
    _golden("deployment_show_migrated", _without_durations(shown))
    listed = coriolis(
        "transfer", "migration", "list", transfer, "-c", "Number", "-c", "Status", "-c", "Passes"
    )
    _golden("transfer_migration_list", listed)
    watched = coriolis("transfer", "migration", "watch", transfer, done["id"])
    assert "Migration 1 of transfer" in watched
    assert "deploying: COMPLETED" in watched


def test_a_migration_is_followed_from_run_to_run_and_cancelled(
    coriolis: Coriolis, server: LiveServer, endpoints: str, capsys: pytest.CaptureFixture[str]
) -> None:
    transfer = _live_migration(coriolis)
    server.hold()
    coriolis("transfer", "migrate", transfer, "--leave-source-off")
    path = f"/transfers/{transfer}/migrations"
    migration = server.call("GET", path)["migrations"][0]["id"]
    wait_for(lambda: '"disk-web"' in json.dumps(server.call("GET", f"{path}/{migration}")))
    assert "copying, pass 1" in coriolis("transfer", "show", transfer)
    assert coriolis("transfer", "migration", "cancel", transfer) == ""
    coriolis("transfer", "migration", "watch", transfer, code=2)
    assert "CANCELED" in coriolis("transfer", "migration", "list", transfer)
    assert "not active" in coriolis("transfer", "migration", "cancel", transfer, code=1)


def test_a_replica_is_not_migrated(coriolis: Coriolis, transfer: str) -> None:
    told = coriolis("transfer", "migrate", transfer, code=1)
    assert "is a replica: only a live_migration can be migrated" in told
    assert "was not found" in coriolis("transfer", "migration", "show", transfer, code=1)
    coriolis("transfer", "migrate", transfer, "--small-delta-bytes", "much", code=2)


def test_an_update(coriolis: Coriolis, transfer: str) -> None:
    updated = json.loads(coriolis("transfer", "update", transfer, "--notes", "by night", "-f", "json"))
    assert updated["type"] == "transfer_update"
    assert json.loads(coriolis("transfer", "list", "-f", "json"))[0]["Notes"] == "by night"


def test_a_cancel_ends_a_watch_with_2(
    coriolis: Coriolis, server: LiveServer, transfer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.hold()
    execution = coriolis("transfer", "execute", transfer, "-f", "value", "-c", "id").strip()
    path = f"/transfers/{transfer}/executions/{execution}"
    wait_for(lambda: '"disk_id":"disk-web"' in json.dumps(server.call("GET", path)).replace('": "', '":"'))
    assert coriolis("transfer", "execution", "cancel", transfer, execution) == ""
    coriolis("transfer", "execution", "watch", transfer, execution, code=2)
    assert json.loads(coriolis("transfer", "list", "-f", "json"))[0]["Last Execution Status"] == "CANCELED"
    assert coriolis("transfer", "execution", "delete", transfer, execution) == ""


def test_leftovers_are_listed_and_cleaned_up(coriolis: Coriolis, clouds: Clouds, transfer: str) -> None:
    stuck = clouds.source / "stuck"
    stuck.touch()
    coriolis("transfer", "execute", transfer, "--wait", code=1)
    left = json.loads(coriolis("resource", "list", "--leftover", "-f", "json"))
    assert [(row["Kind"], row["State"], row["Endpoint"]) for row in left] == [("server", "leftover", "here")]
    assert "it is stuck" in left[0]["Reason"]
    coriolis("resource", "cleanup", code=1)
    stuck.unlink()
    assert coriolis("resource", "cleanup", "-f", "value") == ""
    assert coriolis("resource", "list", "--leftover", "-f", "value") == ""
    assert list((clouds.source / "workers").iterdir()) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("endpoint", "show", "nowhere"), "Error: Endpoint 'nowhere' was not found.\nCode: CORI-1404\n"),
        (("transfer", "show", "nowhere"), "Error: Transfer 'nowhere' was not found.\nCode: CORI-1404\n"),
        (
            ("endpoint", "create", "--name", "e", "--provider", PLATFORM),
            "Error: One of --connection, --connection-file and --connection-secret is needed.\n"
            "Code: CORI-1400\n",
        ),
        (
            ("endpoint", "create", "--name", "e", "--provider", "punchcards", "--connection", "{}"),
            "Error: No provider for platform 'punchcards'; there are: directory.\nCode: CORI-1400\n",
        ),
        (
            ("endpoint", "create", "--name", "e", "--provider", PLATFORM, "--connection", "{'a': 1}"),
            "Error: --connection is not valid JSON: Expecting property name enclosed in double quotes "
            "at line 1 column 2.\nCode: CORI-1400\n",
        ),
        (
            ("endpoint", "instance", "show", "here", "nobody"),
            "Error: Instance 'nobody' was not found on endpoint 'here'.\n"
            "Hint: List what is there with: coriolis endpoint instance list here\nCode: CORI-3001\n",
        ),
        (
            (
                "transfer",
                "create",
                "--origin-endpoint",
                "here",
                "--destination-endpoint",
                "here",
                "--instance",
                "web",
            ),
            "Error: The source and the destination are the same cloud and user.\nCode: CORI-1400\n",
        ),
    ],
)
def test_errors_are_message_hint_and_code(
    coriolis: Coriolis, endpoints: str, args: tuple[str, ...], message: str
) -> None:
    assert coriolis(*args, code=1) == message


def test_a_refused_connection_leaves_no_endpoint(coriolis: Coriolis, clouds: Clouds) -> None:
    wrong = json.dumps(connection(clouds.source, "hunter2"))
    told = coriolis(
        "endpoint", "create", "--name", "e", "--provider", PLATFORM, "--connection", wrong, code=1
    )
    assert "The connection is not valid: e refused the credentials of user 'tester'" in told
    assert "hunter2" not in told
    assert coriolis("endpoint", "list", "-f", "value") == ""
    again = (
        "endpoint",
        "create",
        "--name",
        "e",
        "--provider",
        PLATFORM,
        "--connection",
        wrong,
        "--skip-validation",
    )
    assert json.loads(coriolis(*again, "-f", "json"))["name"] == "e"


def test_two_endpoints_of_one_name_need_the_id(coriolis: Coriolis, clouds: Clouds) -> None:
    text = json.dumps(connection(clouds.source))
    for _ in range(2):
        coriolis("endpoint", "create", "--name", "twin", "--provider", PLATFORM, "--connection", text)
    assert "2 endpoints are named 'twin'; give the id instead." in coriolis(
        "endpoint", "show", "twin", code=1
    )


def test_no_secret_is_printed_even_when_debugging(
    coriolis: Coriolis,
    clouds: Clouds,
    transfer: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = coriolis("--debug", "endpoint", "show", "here")
    text += coriolis(
        "--debug", "endpoint", "update", "here", "--connection", json.dumps(connection(clouds.source))
    )
    text += coriolis("--debug", "transfer", "execute", transfer, "--wait")
    out, err = capsys.readouterr()
    assert "***" in text
    assert PASSWORD not in text + out + err + caplog.text


def test_stdin_gives_the_connection(
    coriolis: Coriolis, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(connection(clouds.source))))
    made = coriolis(
        "endpoint", "create", "--name", "e", "--provider", PLATFORM, "--connection-file", "-", "-f", "json"
    )
    assert json.loads(made)["name"] == "e"


def test_regions_and_services(coriolis: Coriolis, endpoints: str) -> None:
    _golden("region_create", coriolis("region", "create", "eu", "--description", "Frankfurt"))
    coriolis("region", "create", "us", "--disabled")
    _golden("region_list", coriolis("region", "list", "--sort-column", "Name"))
    coriolis("endpoint", "update", "here", "--coriolis-region", "eu")
    shown = json.loads(coriolis("region", "show", "eu", "-f", "json"))
    assert json.loads(coriolis("region", "show", shown["id"], "-f", "json")) == shown
    assert len(shown["mapped_endpoints"]) == 1
    changed = json.loads(coriolis("region", "update", "us", "--name", "ca", "--enabled", "-f", "json"))
    assert (changed["name"], changed["enabled"]) == ("ca", True)
    made = coriolis(
        *(
            "service",
            "create",
            "--host",
            "h9",
            "--binary",
            "coriolis-conductor",
            "--topic",
            "coriolis-conductor",
        ),
        *("--coriolis-region", "eu", "--coriolis-region", "ca", "--disabled"),
    )
    _golden("service_create", made)
    _golden(
        "service_list",
        coriolis("service", "list", "-c", "Binary", "-c", "Topic", "-c", "Enabled", "-c", "Status"),
    )
    services = json.loads(coriolis("service", "list", "-f", "json"))
    written = next(row["ID"] for row in services if row["Host"] == "h9")
    changed = json.loads(
        coriolis("service", "update", written, "--coriolis-region", "ca", "--enabled", "-f", "json")
    )
    assert (changed["enabled"], len(changed["mapped_regions"])) == (True, 1)
    assert json.loads(coriolis("service", "show", written, "-f", "json"))["status"] == "UNKNOWN"
    assert coriolis("service", "delete", written) == ""
    assert coriolis("region", "delete", "ca") == ""
    assert "is mapped to endpoint" in coriolis("region", "delete", "eu", code=1)
    assert (
        coriolis("region", "show", "nowhere", code=1)
        == "Error: Region 'nowhere' was not found.\nCode: CORI-1404\n"
    )
    assert [row["Application"] for row in json.loads(coriolis("diagnostics", "get", "-f", "json"))] == [
        "coriolis-serve"
    ]
