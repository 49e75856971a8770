"""The step classes that this installation knows, by key and version."""

from collections.abc import Iterable

from coriolis.engine.step import Step
from coriolis.errors import UnknownStep


class StepRegistry:
    def __init__(self, classes: Iterable[type[Step]]) -> None:
        """Raises ValueError when two classes claim the same key and version."""
        self._classes: dict[tuple[str, int], type[Step]] = {}
        for step_class in classes:
            name = (step_class.key, step_class.version)
            if name in self._classes:
                raise ValueError(f"step {name} is defined twice")
            self._classes[name] = step_class

    def get(self, key: str, version: int) -> type[Step]:
        """Raises UnknownStep: a plan of another version of the product must not be run with today's code."""
        try:
            return self._classes[key, version]
        except KeyError:
            raise UnknownStep(step=key, version=version) from None
