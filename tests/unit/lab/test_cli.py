"""`coriolis-lab` where no lab is up. The rest needs the clouds: see the end-to-end tests."""

from pathlib import Path

import pytest

from coriolis_lab import cli, daemon


@pytest.mark.parametrize("command", [["status"], ["console", "web-1"]])
def test_looking_at_a_lab_that_is_not_up(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, "--root", str(tmp_path)]) == 1
    assert f"coriolis-lab up --root {tmp_path}" in capsys.readouterr().err


def test_down_is_idempotent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down", "--root", str(tmp_path)]) == 0
    assert "not up" in capsys.readouterr().out


def test_a_dead_lab_is_not_up(tmp_path: Path) -> None:
    (tmp_path / "lab.pid").write_text("1")
    (tmp_path / "lab.json").write_text("{}")
    assert daemon.running_pid(tmp_path) is None
    with pytest.raises(daemon.LabError, match="no lab is up"):
        daemon.read_description(tmp_path)


def test_what_excludes_one_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(["up", "--openstack-only", "--ovirt-only", "--root", str(tmp_path)])
