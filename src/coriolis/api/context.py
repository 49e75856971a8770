"""What every route needs: the front door, whose project it is, paging, and JSON in the query."""

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Query, Request

from coriolis.config import Settings
from coriolis.engine.frontdoor import FrontDoor
from coriolis.errors import InvalidInput, NotFound
from coriolis.model.enums import ExecutionStatus
from coriolis.model.queue import QueuePlace
from coriolis.model.records import Deployment, Endpoint, Execution, Paging, Transfer
from coriolis.model.secret import Secret
from coriolis.store.database import Database

_MAY_WAIT = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)


class _Owned(Protocol):
    @property
    def project_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Context:
    """One request. Objects of other projects do not exist for it."""

    front: FrontDoor
    database: Database
    settings: Settings
    project_id: str
    user_id: str
    token: Secret | None = None

    def endpoint(self, endpoint_id: str) -> Endpoint:
        record = self.database.endpoints.get(endpoint_id)
        self._require_own(record, "Endpoint", endpoint_id)
        return record

    def transfer(self, transfer_id: str, *, with_executions: bool = False) -> Transfer:
        record = self.database.transfers.get(transfer_id, with_executions=with_executions)
        self._require_own(record, "Transfer", transfer_id)
        return record

    def deployment(self, deployment_id: str) -> Deployment:
        record = self.database.deployments.get(deployment_id)
        self._require_own(record, "Deployment", deployment_id)
        return record

    def places(self, *executions: Execution) -> Mapping[str, QueuePlace]:
        """Where those that wait stand in the line, by execution."""
        return self.places_of([run.id for run in executions if run.status in _MAY_WAIT])

    def places_of(self, execution_ids: Sequence[str]) -> Mapping[str, QueuePlace]:
        """As `places`, of runs that have not ended."""
        if not execution_ids:
            return {}
        return self.database.queue.places(execution_ids, self.settings.engine.limits)

    def _require_own(self, record: _Owned, kind: str, name: str) -> None:
        if record.project_id != self.project_id:
            raise NotFound(kind=kind, name=name)


def _context(request: Request, project_id: str) -> Context:
    """Raises AuthenticationRequired, NotAllowed, KeystoneUnavailable."""
    state = request.app.state
    caller = state.gate.admit(request, project_id)
    token = request.headers.get("x-auth-token")
    return Context(
        front=state.front,
        database=state.database,
        settings=state.settings,
        project_id=project_id,
        user_id=caller.user_id,
        token=None if token is None else Secret(token),
    )


Ctx = Annotated[Context, Depends(_context)]


def _paging(
    *,
    marker: str | None = None,
    limit: Annotated[int | None, Query(ge=0)] = None,
    sort_key: Annotated[list[str] | None, Query()] = None,
    sort_dir: Annotated[list[str] | None, Query()] = None,
    sort_keys: Annotated[list[str] | None, Query()] = None,
    sort_dirs: Annotated[list[str] | None, Query()] = None,
    status: str | None = None,
    show_deleted: bool = False,
) -> Paging:
    """`sort_keys`/`sort_dirs` are what the web client sends. `limit=0` means no limit."""
    keys = tuple(sort_key or sort_keys or ())
    directions = tuple(sort_dir or sort_dirs or ())
    default = Paging()
    return Paging(
        marker=marker or None,
        limit=limit or None,
        sort_keys=keys or default.sort_keys,
        sort_dirs=directions if keys else default.sort_dirs,
        status=status or None,
        show_deleted=show_deleted,
    )


PagingQuery = Annotated[Paging, Depends(_paging)]


def _environment(env: str | None = None) -> dict[str, Any]:
    value = decode_json("env", env) if env else {}
    if not isinstance(value, dict):
        raise InvalidInput(message="env: not a JSON object.")
    return value


EnvironmentQuery = Annotated[dict[str, Any], Depends(_environment)]


def _option_names(options: str | None = None) -> tuple[str, ...]:
    value = decode_json("options", options) if options else []
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise InvalidInput(message="options: not a JSON list of names.")
    return tuple(value)


OptionNamesQuery = Annotated[tuple[str, ...], Depends(_option_names)]


def decode_json(field: str, text: str) -> Any:
    try:
        return json.loads(decode_base64(field, text))
    except json.JSONDecodeError as error:
        raise InvalidInput(message=f"{field}: not base64 of JSON: {error.msg}.") from error


def decode_base64(field: str, text: str) -> str:
    """URL-safe, with or without padding."""
    bare = text.rstrip("=")
    try:
        return b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidInput(message=f"{field}: not URL-safe base64 of UTF-8 text.") from error
