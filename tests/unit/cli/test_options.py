"""Texts of options become JSON, or an error that names the option."""

import argparse
import io
import json
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from coriolis.cli.options import (
    add_environment_option,
    add_json_option,
    add_paging_options,
    add_user_script_options,
    environment_query,
    paging_query,
    parse_object,
    parse_pairs,
    read_json_option,
    read_user_scripts,
)
from coriolis.cli.transfer_options import add_transfer_options, transfer_body
from coriolis.errors import InvalidInput


def _connection(*args: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_json_option(parser, "connection", "Connection info")
    return parser.parse_args(args)


def test_json_from_the_command_line_a_file_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "connection.json"
    file.write_text('{"a": 2}')
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 3}'))
    assert read_json_option(_connection(), "connection") is None
    assert read_json_option(_connection("--connection", '{"a": 1}'), "connection") == {"a": 1}
    assert read_json_option(_connection("--connection-file", str(file)), "connection") == {"a": 2}
    assert read_json_option(_connection("--connection-file", "-"), "connection") == {"a": 3}


def test_broken_json_names_the_option_and_the_place_but_not_the_text() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_object("--connection", '{"password": "hunter2",\n oops}')
    assert str(caught.value).startswith("--connection is not valid JSON:")
    assert "line 2 column 2" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind"), [("[1]", "list"), ('"x"', "string"), ("1", "number"), ("null", "null")]
)
def test_json_that_is_no_object(text: str, kind: str) -> None:
    with pytest.raises(InvalidInput, match=rf"--network-map must be a JSON object .* not a {kind}\."):
        parse_object("--network-map", text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"--connection-file: cannot read .*No such file"):
        read_json_option(_connection("--connection-file", str(tmp_path / "none")), "connection")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="it is not UTF-8 text"):
        read_json_option(_connection("--connection-file", str(binary)), "connection")


def test_pairs() -> None:
    assert parse_pairs("--disk", ["a=b", "c=d=e"], "DISK=BACKEND") == {"a": "b", "c": "d=e"}
    assert parse_pairs("--disk", None, "DISK=BACKEND") == {}
    for wrong in ("a", "=b", "a="):
        with pytest.raises(InvalidInput, match="not of the form DISK=BACKEND"):
            parse_pairs("--disk", [wrong], "DISK=BACKEND")


def test_paging() -> None:
    parser = argparse.ArgumentParser()
    add_paging_options(parser)
    query = paging_query(parser.parse_args(["--sort", "number:desc", "--sort", "id", "--limit", "3"]))
    assert query == {
        "marker": None,
        "limit": 3,
        "sort_key": ["number", "id"],
        "sort_dir": ["desc", "asc"],
        "status": None,
    }
    with pytest.raises(InvalidInput, match=r"--sort 'number:down'"):
        paging_query(parser.parse_args(["--sort", "number:down"]))


def test_environment_is_sent_as_urlsafe_base64() -> None:
    parser = argparse.ArgumentParser()
    add_environment_option(parser)
    query = environment_query(parser.parse_args(["--environment", '{"k": "??>>"}']))
    assert json.loads(urlsafe_b64decode(query["env"])) == {"k": "??>>"}
    assert environment_query(parser.parse_args([])) == {}


def test_user_scripts(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("echo hello\n")
    parser = argparse.ArgumentParser()
    add_user_script_options(parser)
    parsed = parser.parse_args(
        ["--user-script-global", f"linux={script}", "--user-script-instance", f"vm1={script}"]
    )
    assert read_user_scripts(parsed) == {
        "global": {"linux": "echo hello\n"},
        "instances": {"vm1": "echo hello\n"},
    }
    assert read_user_scripts(parser.parse_args([])) is None


def _transfer(*args: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_transfer_options(parser)
    return parser.parse_args(args)


def test_a_transfer_body_holds_only_what_was_given() -> None:
    assert transfer_body(_transfer()) == {}
    assert transfer_body(_transfer("--skip-os-morphing", "--dont-clone-disks")) == {
        "skip_os_morphing": True,
        "clone_disks": False,
    }
    assert transfer_body(_transfer("--os-morphing", "--clone-disks")) == {
        "skip_os_morphing": False,
        "clone_disks": True,
    }


def test_storage_mappings() -> None:
    body = transfer_body(
        _transfer(
            "--default-storage-backend",
            "fast",
            "--disk-storage-mapping",
            "d1=slow",
            "--storage-backend-mapping",
            "lvm=ceph",
        )
    )
    assert body == {
        "storage_mappings": {
            "default": "fast",
            "disk_mappings": [{"disk_id": "d1", "destination": "slow"}],
            "backend_mappings": [{"source": "lvm", "destination": "ceph"}],
        }
    }
