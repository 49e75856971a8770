"""A guest of another kind than the lab's other one: UEFI, three disks, two NICs."""

from typing import Any

import pytest

from coriolis_lab.world import EXTERNAL_NETWORK, World
from tests.e2e.clouds import BOOT, Clouds
from tests.ovirt_clients.crossing.crossings import LEDGER, log_in, write
from tests.ovirt_clients.crossing.uefi_source import NAME, UefiSource, make_uefi_source


@pytest.fixture(scope="module")
def uefi(world: World, clouds: Clouds) -> UefiSource:
    return make_uefi_source(world, clouds, EXTERNAL_NETWORK)


def test_a_uefi_guest_with_three_disks_and_two_nics(clouds: Clouds, begin: Any, uefi: UefiSource) -> None:
    uefi.guest.wait(BOOT)
    ledger = write(uefi.guest, 4)
    crossing = begin("auto", instances=[NAME], network_map=uefi.network_map)
    crossing.execute(shutdown=True)
    assert sorted(crossing.replicas().values()) == sorted(uefi.digests())
    crossing.deploy()
    guest = log_in(clouds, NAME)
    assert guest.digest(LEDGER) == ledger
    assert guest.run("test -d /sys/firmware/efi && echo efi") == "efi"
    assert guest.run("ls /sys/block | grep -c -E '^(sd|vd)'") == "3"
    assert guest.run("ip -4 -o address | grep -v -c ' lo '") == "2"
    assert guest.run("cat /sys/class/net/*/address | sort").split() == [
        "00:00:00:00:00:00",
        *sorted(uefi.macs),
    ]
