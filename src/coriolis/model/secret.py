"""A secret string that cannot be printed, logged or stored in clear by accident."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:  # the processes of a copy know secrets, and start in half the time without pydantic
    from pydantic import GetCoreSchemaHandler, SerializationInfo, ValidationInfo
    from pydantic_core.core_schema import CoreSchema

MASK = "***"


@dataclass(frozen=True, slots=True)
class SecretCodec:
    """How secrets are stored: pass as `context={"secrets": SecretCodec(...)}` to a pydantic dump or load."""

    encrypt: Callable[[str], str]
    decrypt: Callable[[str], str]


class Secret:
    """Shows as `***` everywhere; `reveal()` is the only way to the text.

    A pydantic dump without a SecretCodec in its context writes the mask; with one, `{"secret": ciphertext}`. Only
    `coriolis.handover` pickles it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(
            cls._load,
            serialization=core_schema.plain_serializer_function_ser_schema(cls._dump, info_arg=True),
        )

    @classmethod
    def _load(cls, value: Any, info: "ValidationInfo") -> "Secret":
        if isinstance(value, Secret):
            return value
        if isinstance(value, str):
            return cls(value)
        codec = (info.context or {}).get("secrets")
        if isinstance(value, dict) and set(value) == {"secret"} and isinstance(codec, SecretCodec):
            return cls(codec.decrypt(value["secret"]))
        raise ValueError("not a secret string")

    @staticmethod
    def _dump(value: "Secret", info: "SerializationInfo") -> Any:
        codec = (info.context or {}).get("secrets")
        return {"secret": codec.encrypt(value._text)} if isinstance(codec, SecretCodec) else MASK
