import pytest

from coriolis.config import Settings
from tests.memory_operation import MemoryOperation


@pytest.fixture
def op() -> MemoryOperation:
    return MemoryOperation(Settings())
