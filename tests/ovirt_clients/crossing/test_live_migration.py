"""A guest that writes without a pause crosses with little downtime, and nothing that it wrote is missing."""

import time
from contextlib import suppress
from typing import Any

import pytest
from demo.guest import Guest

from coriolis.errors import CommandFailed
from tests.e2e.clouds import Clouds
from tests.e2e.product import COPY, DEPLOY, FINISHED, Product, explain
from tests.ovirt_clients.crossing.crossings import KEPT, log_in, removed_afterwards, started

DIARY = "/srv/data/diary"
PIECES = 16
WRITER = f"""i=0
while :; do
    i=$((i + 1)); piece={DIARY}.$((i % {PIECES}))
    dd if=/dev/urandom of=$piece bs=64k count=4 conv=fsync status=none
    echo $i $(sha256sum < $piece) >> {DIARY}
    sync
    sleep 0.5
done"""
"""Each line of the diary tells of a piece that is on the disk already; a piece is written over 16 lines later."""


@pytest.fixture
def source(clouds: Clouds) -> Guest:
    """It writes."""
    guest = started(clouds)
    guest.run(f"cat > /root/diary <<'END'\n{WRITER}\nEND\nsystemd-run --unit diary sh /root/diary")
    return guest


def last_number(guest: Guest) -> int:
    """Of the diary's line; 0 where it is not begun, or the guest just went down."""
    with suppress(CommandFailed):
        return int(guest.run(f"tail -n 1 {DIARY}").split()[0])
    return 0


def migrate(product: Product, transfer: str, source: Guest) -> tuple[dict[str, Any], int]:
    """The migration that has ended, and how far the diary was when the guest was last seen."""
    place = f"transfers/{transfer}/migrations"
    begun = product.call("POST", place, {"migration": {"small_delta_bytes": 48 << 20}})["migration"]["id"]
    seen, deadline = 0, time.monotonic() + 4 * COPY + DEPLOY
    while True:
        found = product.call("GET", f"{place}/{begun}")["migration"]
        if found["status"] in FINISHED:
            return found, seen
        if found["phase"] == "copying":
            seen = last_number(source) or seen
        assert time.monotonic() < deadline, explain(found)
        time.sleep(2)


def test_what_the_guest_wrote_until_it_was_shut_down_arrives(
    product: Product, clouds: Clouds, make_transfer: Any, source: Guest
) -> None:
    transfer = make_transfer(scenario="live_migration")
    with removed_afterwards(clouds, clouds.source_name):
        found, seen = migrate(product, transfer, source)
        assert found["status"] == "COMPLETED", explain(found)
        guest = log_in(clouds, clouds.source_name)
        lines = [line.split() for line in guest.run(f"cat {DIARY}").splitlines()]
        numbers = [int(words[0]) for words in lines]
        assert numbers == list(range(1, len(lines) + 1))
        assert len(lines) >= seen > 0
        for number, digest, *_ in lines[-PIECES + 1 :]:  # the one after the last may be half written
            assert guest.digest(f"{DIARY}.{int(number) % PIECES}") == digest
    passes = found["passes"]
    assert [one["cutover"] for one in passes] == [False] * (len(passes) - 1) + [True]
    assert len(passes) > 2
    assert passes[0]["moved_bytes"] > passes[1]["moved_bytes"] > 0
    downtime = found["downtime"][clouds.source_name]
    assert downtime["total_seconds"] > downtime["last_delta_seconds"] > 0
    assert product.leftovers() == []
    assert [name for name in clouds.left_behind() if not KEPT.search(name)] == []
