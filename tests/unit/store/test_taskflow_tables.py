"""The first version let TaskFlow keep tables beside ours; an upgrade drops them."""

import pytest
import sqlalchemy as sa
from alembic import command
from taskflow.persistence.backends.impl_sqlalchemy import SQLAlchemyBackend

from coriolis.store.connection import open_engine
from coriolis.store.migrate import alembic_config, upgrade


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_an_upgrade_drops_the_tables_of_taskflow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    url = (
        f"sqlite:///{tmp_path_factory.mktemp('state') / 'coriolis.sqlite'}"
        if kind == "sqlite"
        else str(request.getfixturevalue("mariadb_url"))
    )
    engine = open_engine(url, patient=True)
    config = alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    SQLAlchemyBackend({}, engine=engine).get_connection().upgrade()
    assert {"atomdetails", "flowdetails", "logbooks"} <= set(sa.inspect(engine).get_table_names())
    upgrade(engine)
    left = {"atomdetails", "flowdetails", "logbooks", "alembic_version"}
    assert not left & set(sa.inspect(engine).get_table_names())
    engine.dispose()
