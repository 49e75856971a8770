from collections.abc import Iterator

import pytest

from tests.unit.sshd import PrivateSshd


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSshd]:
    server = PrivateSshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()
