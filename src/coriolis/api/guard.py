"""The gate of an installation with Keystone."""

from dataclasses import replace

from fastapi import Request

from coriolis.api.gate import PROJECT_PREFIX, Caller
from coriolis.api.keystone import Keystone
from coriolis.api.policy import Policy, rule_of
from coriolis.errors import NotAllowed


class GuardedGate:
    def __init__(self, keystone: Keystone, policy: Policy) -> None:
        self._keystone = keystone
        self._policy = policy

    def admit(self, request: Request, project_id: str) -> Caller:
        """A token is for one project; an administrator's opens the others too, which no policy file can give to
        anybody else."""
        headers = request.headers
        caller = self._keystone.identify(headers.get("x-auth-token"), headers.get("x-service-token"))
        caller = replace(caller, is_admin=self._policy.is_admin(caller))
        rule = rule_of(request.method, request.scope["route"].path.removeprefix(PROJECT_PREFIX))
        if caller.project_id != project_id and not caller.is_admin:
            raise NotAllowed(rule=rule)
        self._policy.require(rule, caller, project_id)
        return caller
