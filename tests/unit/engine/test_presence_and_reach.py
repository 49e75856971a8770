"""Who is there, what they work for, and who can reach an endpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coriolis.config import Settings
from coriolis.engine.inventory import LocalInventory
from coriolis.engine.presence import Presence
from coriolis.engine.reach import CONDUCTOR_TOPIC, Reach
from coriolis.errors import NoRegion, NoWorkerService
from coriolis.model.enums import ProviderType, ServiceStatus
from coriolis.store.database import Database, open_database
from coriolis.store.services import NewService
from tests.unit.api.directory_cloud import PLATFORM, find_provider
from tests.unit.api.live_server import wait_for

PLATFORMS = {PLATFORM: (ProviderType.TRANSFER_EXPORT,)}


def _distributed(database: Database) -> Settings:
    """As of many processes, though this test's database is a file."""
    return Settings.model_validate(
        {
            "default": {"host": "h1"},
            "database": {"connection": "mysql+pymysql://h/d"},
            "service": {"heartbeat_seconds": 0.05, "down_seconds": 5},
        }
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(Settings.model_validate({"default": {"state_dir": tmp_path}}))
    yield database
    database.close()


@pytest.fixture
def presence(database: Database) -> Iterator[Presence]:
    presence = Presence(
        database,
        _distributed(database),
        binary="coriolis-conductor",
        topic=CONDUCTOR_TOPIC,
        regions=["eu"],
        platforms=PLATFORMS,
    )
    assert not presence.served().accepting
    presence.start()
    yield presence
    presence.stop()


def _only(database: Database) -> str:
    (service,) = database.services.list(5)
    return service.id


def test_a_process_hears_what_it_shall_be(database: Database, presence: Presence) -> None:
    (eu,) = database.regions.list()
    seen: list[frozenset[str]] = []
    presence.watch(seen.append)
    assert seen == [frozenset({eu.id})]
    served = presence.served()
    assert (served.regions, served.accepting) == ({eu.id}, True)
    assert served.capabilities == {f"{PLATFORM}/transfer_export"}
    database.regions.update(eu.id, enabled=False)
    wait_for(lambda: presence.served().regions == frozenset())
    us = database.regions.create(name="us")
    database.services.update(_only(database), 5, mapped_regions=[us.id], enabled=False)
    wait_for(lambda: presence.served().regions == {us.id})
    assert not presence.served().accepting
    assert seen[1:] == [frozenset(), frozenset({us.id})]


def test_a_process_that_was_forgotten_comes_back(database: Database, presence: Presence) -> None:
    before = _only(database)
    database.services.delete(before)
    wait_for(lambda: len(database.services.list(5)) == 1)
    assert _only(database) != before
    presence.stop()
    assert database.services.list(5)[0].status is ServiceStatus.DOWN


def test_alone_it_works_for_all(tmp_path: Path) -> None:
    settings = Settings.model_validate({"default": {"state_dir": tmp_path}})
    database = open_database(settings)
    presence = Presence(
        database, settings, binary="coriolis-serve", topic=CONDUCTOR_TOPIC, regions=[], platforms=PLATFORMS
    )
    presence.start()
    served = presence.served()
    assert (served.regions, served.capabilities, served.accepting) == (None, None, True)
    presence.stop()
    database.close()


class _Reach:
    """Regions eu and us; a conductor of eu; an endpoint of each, and one of no region."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settings = _distributed(database)
        self.regions = {name: database.regions.create(name=name).id for name in ("eu", "us")}
        self.conductor = self._conductor("eu")
        self.own: frozenset[str] = frozenset()
        self.here = LocalInventory(database, self.settings, find_provider)
        self.asked: list[str] = []
        self.reach = Reach(
            database, self.settings, own_regions=lambda: self.own, here=self.here, there=self._there
        )

    def _there(self, region: str) -> LocalInventory:
        self.asked.append(region)
        return LocalInventory(self.database, self.settings, find_provider)

    def _conductor(self, region: str) -> str:
        new = NewService(
            f"h-{region}", "coriolis-conductor", CONDUCTOR_TOPIC, {PLATFORM: (4, 8)}, {}, regions=(region,)
        )
        return self.database.services.register(new, 5).id

    def endpoint(self, *regions: str, platform: str = PLATFORM) -> str:
        return self.database.endpoints.create(
            user_id="u",
            project_id="p",
            name="-".join(regions) or "any",
            type=platform,
            connection_info={},
            mapped_regions=[self.regions.get(name, name) for name in regions],
        ).id


@pytest.fixture
def world(database: Database) -> _Reach:
    return _Reach(database)


def test_a_cloud_of_another_region_is_asked_there(world: _Reach) -> None:
    assert world.reach.inventory(world.endpoint()) is world.here
    assert world.reach.inventory(world.endpoint("eu")) is not world.here
    assert world.reach.inventory(world.endpoint("us", "eu")) is not world.here
    assert world.asked == [world.regions["eu"]] * 2
    world.own = frozenset({world.regions["eu"]})
    assert world.reach.inventory(world.endpoint("eu")) is world.here


def test_work_that_nobody_could_do_is_refused(world: _Reach) -> None:
    world.reach.require_conductor([world.endpoint(), world.endpoint("eu"), world.endpoint("us", "eu")])
    with pytest.raises(NoWorkerService, match="endpoint 'us': us"):
        world.reach.require_conductor([world.endpoint("eu"), world.endpoint("us")])
    with pytest.raises(NoWorkerService):
        world.reach.require_conductor([world.endpoint("eu", platform="punchcards")])
    world.database.services.update(world.conductor, 5, enabled=False)
    with pytest.raises(NoWorkerService):
        world.reach.inventory(world.endpoint("eu"))
    world.database.services.update(world.conductor, 5, enabled=True)
    world.database.services.sign_off(world.conductor)
    with pytest.raises(NoWorkerService):
        world.reach.require_conductor([world.endpoint("eu")])


def test_a_region_that_is_gone_or_disabled(world: _Reach) -> None:
    world.database.regions.update(world.regions["eu"], enabled=False)
    with pytest.raises(NoRegion, match="'eu' is there and enabled: eu"):
        world.reach.require_conductor([world.endpoint("eu")])
    with pytest.raises(NoRegion, match="nowhere"):
        world.reach.inventory(world.endpoint("nowhere"))
