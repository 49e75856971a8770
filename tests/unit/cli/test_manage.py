"""coriolis-manage: exit codes and words, embedded and with a database server."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from coriolis.cli.manage import main
from coriolis.config import load_settings
from coriolis.store.connection import open_engine
from coriolis.store.database import open_database
from coriolis.store.migrate import VERSION_TABLE, alembic_config


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'db.sqlite'}"
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def config(url: str, tmp_path: Path) -> Path:
    path = tmp_path / "coriolis.conf"
    path.write_text(f"[DEFAULT]\nstate_dir = {tmp_path / 'state'}\n[database]\nconnection = {url}\n")
    return path


def run(config: Path, *command: str) -> int:
    return main(["--config-file", str(config), *command])


def newest_revision() -> str:
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def test_the_tables_are_made_and_checked(config: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "db", "check") == 1
    assert "coriolis-manage db upgrade" in capsys.readouterr().out
    assert run(config, "db", "upgrade") == 0
    assert f"from nothing to revision {newest_revision()}" in capsys.readouterr().out
    assert run(config, "db", "upgrade") == 0
    assert "already" in capsys.readouterr().out
    assert run(config, "db", "check") == 0
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = '0001'"))  # noqa: S608
    assert run(config, "db", "check") == 1
    assert "behind" in capsys.readouterr().out
    with engine.begin() as connection:
        connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = '9999'"))  # noqa: S608
    engine.dispose()
    assert run(config, "db", "check") == 2
    assert "too new" in capsys.readouterr().out
    assert run(config, "db", "upgrade") == 78
    assert "CORI-8004" in capsys.readouterr().err


def test_keys_are_checked_and_rotated(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(config, "db", "upgrade")
    database = open_database(load_settings(config))
    made = database.endpoints.create(
        user_id="u", project_id="p", name="n", type="t", connection_info={"password": "tiptop-geheim"}
    )
    assert run(config, "secrets", "check") == 0
    key_file = load_settings(config).key_file
    assert run(config, "secrets", "rotate", "--step-by-step") == 0
    assert f"Copy {key_file} to all other hosts, then run this again." in capsys.readouterr().out
    assert run(config, "secrets", "rotate", "--step-by-step") == 0
    assert run(config, "secrets", "check") == 1
    assert run(config, "secrets", "rotate", "--settle-seconds", "0") == 0
    assert run(config, "secrets", "check") == 0
    assert database.endpoints.get(made.id).connection_info == {"password": "tiptop-geheim"}
    key_file.write_text("x")
    assert run(config, "secrets", "check") == 78
    output = capsys.readouterr()
    assert "CORI-8002" in output.err
    assert "geheim" not in output.out + output.err
    database.close()


def test_a_database_that_is_away_is_said_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "coriolis.conf"
    for url in ("mysql://coriolis:tiptop-geheim@127.0.0.1:1/d", "postgresql://u:tiptop-geheim@127.0.0.1:1/d"):
        path.write_text(f"[DEFAULT]\nstate_dir = {tmp_path}\n[database]\nconnection = {url}\n")
        for command in (("db", "check"), ("db", "upgrade"), ("secrets", "check")):
            assert run(path, *command) == 69
            output = capsys.readouterr()
            assert "CORI-8031" in output.err
            assert "geheim" not in output.err + output.out
