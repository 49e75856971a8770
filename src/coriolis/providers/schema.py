"""Connection infos and environments as typed models: errors name the field, the schema is the model's."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, WithJsonSchema

from coriolis.errors import InvalidInput
from coriolis.model.secret import Secret

SecretText = Annotated[Secret, WithJsonSchema({"type": "string", "format": "password", "writeOnly": True})]
"""A field that is never shown; schema readers find its name in `passwordFields` too."""


def in_lower_case(value: Any) -> Any:
    """Before validation of an option that published examples write as SSH and HTTPS."""
    return value.lower() if isinstance(value, str) else value


class OptionModel(BaseModel):
    """Base of every connection info and environment. A key given as null counts as not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: Mapping[str, Any], what: str) -> Self:
        """`what` begins the error, e.g. "Connection info".

        Raises InvalidInput that names each bad field but shows no value: it may be a misplaced secret.
        """
        try:
            return cls.model_validate(_without_nulls(values))
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            faults = [f"{_path(fault['loc'])}: {fault['msg']}" for fault in found]
            raise InvalidInput(message=f"{what}: {'; '.join(faults)}.") from None

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """As existing web clients read it; `passwordFields` lists the secrets."""
        schema = cls.model_json_schema()
        secrets = [k for k, v in schema.get("properties", {}).items() if _is_secret(v)]
        if secrets:
            schema["passwordFields"] = secrets
        return schema


def _without_nulls(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {k: _without_nulls(v) for k, v in values.items() if v is not None}
    return values


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "(all of it)"


def _is_secret(member: Mapping[str, Any]) -> bool:
    inner = member.get("additionalProperties")
    choices = [member, *member.get("anyOf", ()), *([inner] if isinstance(inner, Mapping) else ())]
    return any(choice.get("format") == "password" for choice in choices)
