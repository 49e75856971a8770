"""What every export mechanism can do."""

from collections.abc import Mapping
from typing import Protocol

from coriolis.model.instance import Instance
from coriolis.providers.base import Operation, SourceResources
from coriolis.providers.openstack.export.points import Point


class Export(Protocol):
    def validate(self, instance: Instance) -> None:
        """All that can be known to fail before anything is created. Raises InvalidInput, NotSupported, CloudError."""

    def deploy(self, op: Operation, instance: Instance, points: Mapping[str, Point]) -> SourceResources:
        """Nothing of an earlier attempt is there any more."""
