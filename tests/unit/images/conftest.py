from collections.abc import Iterator

import pytest

from coriolis.images import ceph
from tests.unit.images.private_ceph import PrivateCeph, missing, private_ceph


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCeph]:
    """With the pools volumes and backups."""
    why = missing() or ceph.missing_bindings()
    if why:
        pytest.skip(why)
    with private_ceph(tmp_path_factory.mktemp("ceph"), "volumes", "backups") as running:
        yield running
