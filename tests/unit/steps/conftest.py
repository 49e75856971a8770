"""What the whole way is tried on."""

import pytest

from coriolis.providers.base import Provider
from tests.unit.steps.paper_provider import PaperProvider


@pytest.fixture
def platform() -> Provider:
    """Of both ends; modules may have another one."""
    return PaperProvider()
