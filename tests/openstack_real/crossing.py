"""One guest on its way over one route: the steps of every scenario, each with what must hold after it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.guest import Guest

from tests.e2e.product import Product
from tests.openstack_real.clouds import RealCloud, job_of
from tests.openstack_real.destinations import Destination
from tests.openstack_real.figures import Figure, FigureBook, Meter, figure_of
from tests.openstack_real.guests import BOOT_SECONDS, LEDGER, SourceGuest
from tests.openstack_real.routes import Route

MIB = 1 << 20
SYSTEM, DATA = 0, 1  # disks in boot order


@dataclass(frozen=True)
class Stage:
    """What all crossings share."""

    product: Product
    source: RealCloud
    meter: Meter
    book: FigureBook


class Crossing:
    def __init__(self, stage: Stage, route: Route, guest: SourceGuest, destination: Destination) -> None:
        self.route = route
        self.guest = guest
        self.destination = destination
        self.product, self.source = stage.product, stage.source
        self._meter, self._book = stage.meter, stage.book
        self.figures: list[Figure] = []
        self.events: list[str] = []  # of the last execution
        self.transfer = self._make_transfer()

    def replicate(self, name: str, *, shutdown: bool = False) -> Figure:
        """An execution that works. The ledger holds afterwards what is kept, both clouds nothing else of ours; and
        the disks that stood still are equal to their replicas, byte by byte."""
        before = self._meter.read()
        execution = self.product.execute(self.transfer, shutdown=shutdown)
        done = self.product.wait_execution(self.transfer, execution)
        self.events = [event["message"] for task in done["tasks"] for event in task["events"]]
        after = self._meter.read()
        figure = figure_of(str(self.route), name, (after[0] - before[0], after[1] - before[1]), done)
        self.figures.append(figure)
        print(f"{self.route}: {name}: {figure}", flush=True)
        self.assert_nothing_left()
        standing_still = (SYSTEM, DATA) if shutdown else (DATA,)
        self.assert_equal(*standing_still)
        return figure

    def publish(self) -> None:
        """The figures of the steps that held, in place of an earlier run's."""
        self._book.put(str(self.route), self.figures)

    def assert_equal(self, *numbers: int) -> None:
        """Each of these disks has the content of its replica."""
        replicas, disks = self._replicas(), self.guest.disks()
        for number in numbers:
            here, there = self.source.storage.digest(disks[number]), self.destination.digest(replicas[number])
            assert here == there, f"{replicas[number]['name']} is not equal to {disks[number]}"

    def _replicas(self) -> dict[int, dict[str, Any]]:
        """The ledger's entries of disks on the destination that are kept for this transfer, in the disks' order."""
        there = [r for r in self._resources() if r["state"] == "kept" and r["endpoint_id"] == self._ids[1]]
        numbered = [(re.search(r"-replica-(\d+)$", r["name"]), r) for r in there]
        return {int(match[1]): entry for match, entry in numbered if match}

    def assert_nothing_left(self) -> None:
        """On both clouds, besides what the ledger says is kept on purpose."""
        leftovers = self.product.leftovers()
        assert not leftovers, leftovers
        kept = {r["name"] for r in self._resources()}
        there = self.of_ours(self.source.left_behind() + self.destination.left_behind())
        left = [name for name in there if name not in kept]
        assert not left, left

    def workers_on_the_destination(self) -> list[str]:
        """Names of those that were ever made for this transfer."""
        ever = self.product.call("GET", "resources?all=true")["resources"]
        servers = [r["name"] for r in ever if r["endpoint_id"] == self._ids[1] and r["kind"] == "server"]
        return [name for name in servers if name.endswith("-worker")]

    def of_ours(self, names: Sequence[str]) -> list[str]:
        """Of what bears a name of Coriolis': what this one made, and not another that works on the same clouds."""
        jobs = {
            job_of(entry["name"]) for entry in self.product.call("GET", "resources?all=true")["resources"]
        }
        return [name for name in names if job_of(name) in jobs]

    @contextmanager
    def deployed(self, **changes: Any) -> Iterator[Guest]:
        """Deploys the replica and logs in; the file that changed is there as the source had it. The migrated VM is
        taken away afterwards, whatever happened."""
        try:
            yield self._deploy(changes)
        finally:
            self.destination.remove(self.guest.kind.name)

    def _deploy(self, changes: dict[str, Any]) -> Guest:
        body = {"deployment": {"transfer_id": self.transfer, **changes}}
        deployment = str(self.product.call("POST", "deployments", body)["deployment"]["id"])
        self.product.wait_deployment(deployment)
        described = self.source.described
        guest = self.destination.log_in(self.guest.kind.name, described["image_user"], Path(described["key"]))
        guest.wait(BOOT_SECONDS)
        guest.run("sudo mount /srv/data")
        assert guest.digest(LEDGER) == self.guest.ledger
        return guest

    def forget(self) -> None:
        """Takes the replica away; nothing of it may stay on either cloud, nor in the ledger."""
        path = f"transfers/{self.transfer}/actions"
        started = self.product.call("POST", path, {"delete-disks": None})["execution"]["id"]
        self.product.wait_execution(self.transfer, started)
        source = self._ids[0]  # what is kept on the other side by now is the deployed server
        left = [r for r in self._resources() if r["state"] == "kept" and r["endpoint_id"] == source]
        assert not left, left
        assert not self._replicas()
        self.assert_nothing_left()
        self.product.call("DELETE", f"transfers/{self.transfer}")

    def _make_transfer(self) -> str:
        mechanism, product = self.route.mechanism, self.product
        name = f"{self.route} {id(self)}"
        self._ids = (
            product.endpoint(f"from {name}", "openstack", mechanism.connection_info(self.source)),
            product.endpoint(f"to {name}", self.destination.platform, self.destination.connection_info),
        )
        body = {
            "scenario": "replica",
            "origin_endpoint_id": self._ids[0],
            "destination_endpoint_id": self._ids[1],
            "instances": [self.guest.kind.name],
            "source_environment": {**mechanism.source_environment(self.source), **self.route.more_source},
            "destination_environment": {**self.destination.environment(), **self.route.more_destination},
            "network_map": self.destination.network_map(self.source.project["network"]),
            "storage_mappings": {},
            "user_scripts": {"global": {}, "instances": {}},
        }
        return str(product.call("POST", "transfers", {"transfer": body})["transfer"]["id"])

    def _resources(self) -> list[dict[str, Any]]:
        return list(self.product.call("GET", "resources")["resources"])
