"""What Cinder's bodies may hold, and how it words what is wrong."""

from typing import Any

from coriolis_lab.openstack.web import ApiError, Call, Json


def invalid(words: str) -> ApiError:
    return ApiError(400, f"Invalid input received: {words}", "InvalidInput")


def invalid_volume(words: str) -> ApiError:
    return ApiError(400, f"Invalid volume: {words}", "InvalidVolume")


def invalid_field(name: str, value: Any, why: str) -> ApiError:
    return ApiError(
        400, f"Invalid input for field/attribute {name}. Value: {value}. {why}", "ValidationError"
    )


def check_fields(name: str, given: Json, allowed: set[str]) -> None:
    unknown = sorted(set(given) - allowed)
    if unknown:
        shown = ", ".join(f"'{key}'" for key in unknown)
        verb = "was" if len(unknown) == 1 else "were"
        why = f"Additional properties are not allowed ({shown} {verb} unexpected)"
        raise invalid_field(name, given, why)


def text(given: Json, name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid_field(name, value, f"{value!r} is not of type 'string'")
    if value is not None and len(value) > 255:
        raise invalid_field(name, value, f"'{value}' is too long")
    return value


def metadata(given: Json, name: str = "metadata") -> dict[str, str]:
    value = given.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise invalid_field(name, value, f"{value!r} is not of type 'object' of strings")
    return dict(value)


def positive(name: str, value: Any) -> int:
    """An integer or its decimal text, above 0."""
    number = int(value) if isinstance(value, str) and value.isdigit() else value
    if isinstance(number, str):
        raise invalid_field(name, value, f"{value!r} does not match '^[0-9]+$'")
    if not isinstance(number, int) or isinstance(number, bool):
        raise invalid_field(name, value, f"{value!r} is not of type 'integer', 'null'")
    if number < 1:
        raise invalid_field(name, value, f"{number} is less than the minimum of 1")
    return number


def integer(name: str, value: Any) -> int:
    """Also below 0: quotas use -1."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise invalid_field(name, value, f"{value!r} is not of type 'integer'") from None


def flag(given: Json, name: str) -> bool:
    value = given.get(name, False)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "1", "yes", "on", "t", "y"}:
        return True
    if isinstance(value, str) and value.lower() in {"false", "0", "no", "off", "f", "n"}:
        return False
    raise invalid_field(name, value, f"{value!r} is not a 'boolean'")


def admin_only(call: Call, action: str) -> None:
    if not call.is_admin:
        message = f"Policy doesn't allow volume_extension:{action} to be performed."
        raise ApiError(403, message, "PolicyNotAuthorized")


def nova_uses(server_id: str) -> ApiError:
    """Since CVE-2023-2088 only Nova itself (a service token) may detach a server's volume."""
    kind = "ConflictNovaUsingAttachment"
    return ApiError(409, f"{kind}: Detach volume from instance {server_id} using the Compute API", kind)
