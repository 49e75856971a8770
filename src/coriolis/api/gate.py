"""Every request to a project passes here: who calls, may they, and for which project."""

from dataclasses import dataclass
from typing import Protocol

from fastapi import Request

from coriolis.config import Settings

PROJECT_PREFIX = "/v1/{project_id}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as Keystone says; `project_id` is what the token is for."""

    user_id: str
    project_id: str | None
    roles: tuple[str, ...] = ()
    is_admin: bool = False


class Gate(Protocol):
    def admit(self, request: Request, project_id: str) -> Caller:
        """Raises AuthenticationRequired, NotAllowed, KeystoneUnavailable."""


class OpenGate:
    """Without Keystone there are no users: whoever reaches this server may do everything."""

    def admit(self, _request: Request, _project_id: str) -> Caller:
        return Caller("embedded", None, ("admin",), is_admin=True)


def open_gate(settings: Settings) -> Gate:
    """Raises InvalidInput when the policy file is not there."""
    if not settings.keystone_authtoken.auth_url:
        return OpenGate()
    from coriolis.api.guard import GuardedGate  # large libraries behind it
    from coriolis.api.keystone import Keystone
    from coriolis.api.policy import Policy

    return GuardedGate(Keystone(settings.keystone_authtoken), Policy(settings.oslo_policy.policy_file))
