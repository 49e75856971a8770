"""Which conductor may run what: from the endpoints' regions and platforms."""

from pathlib import Path

import pytest

from coriolis.config import load_settings
from coriolis.engine.needs import (
    DEPLOYMENT_PRIORITY,
    needs_of_deployment,
    needs_of_destination,
    needs_of_transfer,
)
from coriolis.model.enums import ProviderType, Scenario
from coriolis.model.queue import ANYWHERE, Demand, Served
from coriolis.model.records import Transfer
from coriolis.store.database import Database, open_database

BOTH = {"openstack": [ProviderType.TRANSFER_EXPORT], "ovirt": [ProviderType.TRANSFER_IMPORT]}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(load_settings(state_dir=tmp_path / "state"))


def transfer(database: Database, origin_regions: list[str], destination_regions: list[str]) -> Transfer:
    ends = [
        database.endpoints.create(
            user_id="u",
            project_id="p",
            name=platform,
            type=platform,
            connection_info={"name": platform},
            mapped_regions=regions,
        ).id
        for platform, regions in (("openstack", origin_regions), ("ovirt", destination_regions))
    ]
    return database.transfers.create(
        user_id="u",
        project_id="p",
        scenario=Scenario.REPLICA,
        instances=["vm"],
        origin_endpoint_id=ends[0],
        destination_endpoint_id=ends[1],
    )


def test_a_transfer_needs_a_way_to_both_clouds(database: Database) -> None:
    made = transfer(database, ["eu", "us"], ["asia"])
    needs = needs_of_transfer(database, made)
    assert (needs.origin_endpoint_id, needs.destination_endpoint_id, needs.priority) == (
        made.origin_endpoint_id,
        made.destination_endpoint_id,
        0,
    )
    assert needs.demand.met_by(Served.of(["asia", "us"], BOTH))
    assert not needs.demand.met_by(Served.of(["eu", "us"], BOTH))
    assert not needs.demand.met_by(Served.of(["asia", "us"], {"ovirt": BOTH["ovirt"]}))
    assert needs.demand.met_by(Served())


def test_work_on_the_replicas_needs_their_cloud_alone(database: Database) -> None:
    made = transfer(database, ["eu"], ["asia"])
    there = Served.of(["asia"], {"ovirt": [ProviderType.TRANSFER_IMPORT]})
    morphing = Served.of(["asia"], {"ovirt": [ProviderType.TRANSFER_IMPORT, ProviderType.OS_MORPHING]})
    assert needs_of_destination(database, made).demand.met_by(there)
    assert needs_of_deployment(database, made, morphing=False).demand.met_by(there)
    deployment = needs_of_deployment(database, made, morphing=True)
    assert not deployment.demand.met_by(there)
    assert deployment.demand.met_by(morphing)
    assert (deployment.origin_endpoint_id, deployment.priority) == (None, DEPLOYMENT_PRIORITY)


def test_an_endpoint_of_no_region_can_be_reached_from_everywhere(database: Database) -> None:
    needs = needs_of_transfer(database, transfer(database, [], []))
    assert needs.demand.met_by(Served.of([], BOTH))


def test_the_same_demand_has_one_name() -> None:
    one = Demand((("eu", "us"), ("asia",)), ("a", "b"))
    assert one.id == Demand((("asia",), ("us", "eu")), ("b", "a")).id
    assert one.id != Demand((("eu",), ("asia",)), ("a", "b")).id
    assert Demand().id == ANYWHERE
