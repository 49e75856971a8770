"""The table of commands: complete, loadable, and the same as the entry points of the package."""

import tomllib
from pathlib import Path

import pytest

from coriolis.cli.commands import COMMANDS, SERVE, command_manager
from coriolis.cli.main import main

ROOT = Path(__file__).parents[3]

# of the existing command line, as far as this server has the objects
EXPECTED = """
deployment cancel|deployment create|deployment delete|deployment list|deployment show|diagnostics get
endpoint create|endpoint delete|endpoint destination options list|endpoint export inventory
endpoint instance list|endpoint instance show|endpoint list|endpoint network list|endpoint show
endpoint source options list|endpoint storage list|endpoint update|endpoint validate connection
provider list|provider schema list
region create|region delete|region list|region show|region update
service create|service delete|service list|service show|service update
transfer create|transfer delete|transfer disks delete|transfer execute|transfer execution cancel
transfer execution delete|transfer execution list|transfer execution show|transfer list|transfer show
transfer update
"""


def test_every_command_of_existing_clients_is_there() -> None:
    wanted = {words for line in EXPECTED.strip().splitlines() for words in line.split("|")}
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("words", sorted(COMMANDS | SERVE))
def test_help_of_every_command_needs_no_server(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", *words.split()]) == 0
    shown = capsys.readouterr().out
    assert f"usage: coriolis {words}" in shown
    assert command_manager().find_command(words.split())[0].__doc__


def test_entry_points_of_the_openstack_plugin_are_the_same_commands() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert points["openstack.cli.extension"] == {"coriolis": "coriolis.cli.osc_plugin"}
    expected = {
        f"coriolis {words}".replace(" ", "_"): f"coriolis.cli.{target}" for words, target in COMMANDS.items()
    }
    assert points["openstack.coriolis.v1"] == expected


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "transfer execution watch" in capsys.readouterr().out


def test_an_unknown_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transfr", "list"]) == 2
    assert "transfer list" in capsys.readouterr().out
