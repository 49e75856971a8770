"""A step: one verb of a flow, with what undoes it.

A subclass is a frozen dataclass; its fields are its parameters, stored with the plan. Inputs are what earlier
steps provide: the parameters of `execute` and `revert` after `op`, by name, typed. Everything is stored as
JSON through pydantic, so a step's work can be taken up by another process.

`execute` may run more than once: after a crash the interrupted step runs again. `revert` undoes what
`execute` made or began to make, runs after a failure of this or a later step, and may run more than once too.
Where finding out is cheaper than doing again, `probe` runs before a repeated `execute`; what it returns,
unless None, is the result.
"""

import functools
import inspect
import typing
from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter

from coriolis.model.enums import TaskType
from coriolis.model.secret import SecretCodec


class Step(ABC):
    key: ClassVar[str]
    version: ClassVar[int] = 1
    task_type: ClassVar[TaskType]
    provides: ClassVar[str | None] = None
    attempts: ClassVar[int] = 4
    """How often `execute` is tried against faults that pass by themselves."""

    stall_after: ClassVar[float | None] = None
    """Seconds without a word of progress after which a warning is shown; None for steps that report none."""

    execute: Callable[..., Any]
    revert: Callable[..., None] | None = None
    probe: Callable[..., Any] | None = None

    def parameters(self, codec: SecretCodec) -> dict[str, Any]:
        """The fields as JSON; a Secret as ciphertext."""
        dumped: dict[str, Any] = _adapter(type(self)).dump_python(
            self, mode="json", context={"secrets": codec}
        )
        return dumped

    @classmethod
    def load(cls, parameters: Mapping[str, Any], codec: SecretCodec) -> Self:
        """Raises pydantic's ValidationError."""
        step: Self = _adapter(cls).validate_python(dict(parameters), context={"secrets": codec})
        return step

    @classmethod
    def inputs(cls, method: str = "execute") -> dict[str, Any]:
        """Name to type of what the method takes besides `self` and the operation."""
        function = getattr(cls, method)
        return {} if function is None else _inputs(function)

    @classmethod
    def dump_result(cls, value: Any, codec: SecretCodec) -> Any:
        return _adapter(_returns(cls.execute)).dump_python(value, mode="json", context={"secrets": codec})


def load_value(hint: Any, value: Any, codec: SecretCodec) -> Any:
    return _adapter(hint).validate_python(value, context={"secrets": codec})


def optional(hint: Any) -> bool:
    """Whether None will do: such an input may have no provider in a flow."""
    return type(None) in typing.get_args(hint)


# Building an adapter takes milliseconds, and a conductor meets the same few classes all day.


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


@functools.cache
def _inputs(function: Callable[..., Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(function)
    names = list(inspect.signature(function).parameters)[2:]
    return {name: hints[name] for name in names}


@functools.cache
def _returns(function: Callable[..., Any]) -> Any:
    return typing.get_type_hints(function)["return"]
