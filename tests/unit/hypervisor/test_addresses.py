from pathlib import Path

from coriolis_lab.hypervisor.addresses import AddressPool


def test_labs_on_one_host_never_share_an_address(tmp_path: Path) -> None:
    one, other = AddressPool(tmp_path), AddressPool(tmp_path)
    networks = {pool.allocate().split(".")[1] for pool in (one, other)}
    assert len(networks) == 2
    assert not networks & {"0", "42"}


def test_an_address_is_not_given_twice_while_held(tmp_path: Path) -> None:
    pool = AddressPool(tmp_path)
    addresses = [pool.allocate() for _ in range(600)]
    assert len(set(addresses)) == 600
    assert all(0 < int(part) < 255 for address in addresses for part in [address.split(".")[3]])


def test_a_released_address_comes_back_last(tmp_path: Path) -> None:
    pool = AddressPool(tmp_path)
    first = pool.allocate()
    pool.release(first)
    assert pool.allocate() != first


def test_a_closed_lab_frees_its_network(tmp_path: Path) -> None:
    for _ in range(300):
        AddressPool(tmp_path).close()
