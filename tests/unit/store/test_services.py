"""Services and regions: who is there, and who works where."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from coriolis.errors import Conflict, NotFound
from coriolis.model.enums import ServiceStatus
from coriolis.store.database import Database
from coriolis.store.services import NewService
from coriolis.store.tables import SERVICE

DOWN = 20.0


def conductor(host: str = "h1", *regions: str) -> NewService:
    return NewService(
        host, "coriolis-conductor", "coriolis-conductor", {"paper": (4, 8)}, {"hostname": host}, regions
    )


def silence(database: Database, service_id: str, seconds: float) -> None:
    """As if the service had said nothing for so long."""
    with database.write() as connection:
        row = sa.update(SERVICE).where(SERVICE.c.id == service_id)
        connection.execute(row.values(seen_at=SERVICE.c.seen_at - seconds))


def test_a_service_is_up_while_it_says_so(database: Database) -> None:
    made = database.services.register(conductor(), DOWN)
    assert (made.status, made.enabled, made.mapped_regions) == (ServiceStatus.UP, True, ())
    assert made.providers == {"paper": (4, 8)}
    silence(database, made.id, DOWN + 1)
    assert database.services.get(made.id, DOWN).status is ServiceStatus.DOWN
    beaten = database.services.beat(made.id, DOWN)
    assert beaten is not None
    assert beaten.status is ServiceStatus.UP
    database.services.sign_off(made.id)
    assert [service.status for service in database.services.list(DOWN)] == [ServiceStatus.DOWN]


def test_a_restart_takes_its_row_up_again_as_the_administrator_left_it(database: Database) -> None:
    made = database.services.register(conductor("h1", "eu"), DOWN)
    other = database.regions.create(name="us")
    database.services.update(made.id, DOWN, enabled=False, mapped_regions=[other.id])
    again = database.services.register(conductor("h1", "eu"), DOWN)
    assert (again.id, again.enabled, again.mapped_regions) == (made.id, False, (other.id,))
    assert len(database.services.list(DOWN)) == 1


def test_regions_of_the_settings_are_made_once(database: Database) -> None:
    first = database.services.register(conductor("h1", "eu", "us"), DOWN)
    second = database.services.register(conductor("h2", "eu"), DOWN)
    regions = {region.name: region for region in database.regions.list()}
    assert set(regions) == {"eu", "us"}
    assert first.mapped_regions == (regions["eu"].id, regions["us"].id)
    assert set(regions["eu"].mapped_services) == {first.id, second.id}
    assert regions["us"].mapped_services == (first.id,)


def test_one_that_is_written_down_is_unknown_until_its_process_comes(database: Database) -> None:
    region = database.regions.create(name="eu")
    made = database.services.create(
        host="h9",
        binary="coriolis-conductor",
        topic="coriolis-conductor",
        enabled=True,
        mapped_regions=[region.id],
        down_seconds=DOWN,
    )
    assert made.status is ServiceStatus.UNKNOWN
    with pytest.raises(Conflict):
        database.services.create(
            host="h9",
            binary="coriolis-conductor",
            topic="coriolis-conductor",
            enabled=True,
            mapped_regions=[],
            down_seconds=DOWN,
        )
    come = database.services.register(conductor("h9", "elsewhere"), DOWN)
    assert (come.id, come.status, come.mapped_regions) == (made.id, ServiceStatus.UP, (region.id,))


def test_a_service_that_was_removed_is_told(database: Database) -> None:
    made = database.services.register(conductor(), DOWN)
    database.services.delete(made.id)
    assert database.services.beat(made.id, DOWN) is None
    with pytest.raises(NotFound):
        database.services.get(made.id, DOWN)
    assert database.services.register(conductor(), DOWN).id != made.id


def test_the_life_of_a_region(database: Database) -> None:
    region = database.regions.create(name="eu", description="Frankfurt")
    with pytest.raises(Conflict, match="'eu'"):
        database.regions.create(name="eu")
    changed = database.regions.update(region.id, name="de", enabled=False)
    assert (changed.name, changed.description, changed.enabled) == ("de", "Frankfurt", False)
    assert database.regions.names([region.id, "nowhere"]) == {region.id: "de"}
    assert database.regions.names([region.id], enabled=True) == {}
    assert database.regions.unknown([region.id, "nowhere"]) == ["nowhere"]
    endpoint = database.endpoints.create(
        user_id="u", project_id="p", name="e", type="paper", connection_info={}, mapped_regions=[region.id]
    )
    assert database.regions.get(region.id).mapped_endpoints == (endpoint.id,)
    with pytest.raises(Conflict, match=endpoint.id):
        database.regions.delete(region.id)
    database.endpoints.delete(endpoint.id)
    database.regions.delete(region.id)
    with pytest.raises(NotFound):
        database.regions.get(region.id)
    assert database.regions.create(name="de").id != region.id


def test_processes_that_start_at_once_agree_on_their_regions(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda n: database.services.register(conductor(f"h{n}", "eu", "us"), DOWN), range(8))
        )
    assert len({service.mapped_regions for service in made}) == 1
    assert sorted(region.name for region in database.regions.list()) == ["eu", "us"]
