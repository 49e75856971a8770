"""How a job, its errors and its progress cross the pipes between the engine's process and the transfer
child.
"""

import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from coriolis import errors
from coriolis.errors import CoriolisError, TransferError
from coriolis.model.progress import DiskProgress, DiskResult
from coriolis.model.secret import IN_CLEAR
from coriolis.transfer.job import CopyJob
from coriolis.transfer.limits import Limits

_JOB: TypeAdapter[CopyJob] = TypeAdapter(CopyJob)
_LIMITS: TypeAdapter[Limits] = TypeAdapter(Limits)


def dump_job(job: CopyJob) -> bytes:
    """One line of JSON, secrets in clear: for a pipe only."""
    return _JOB.dump_json(job, context=IN_CLEAR) + b"\n"


def load_job(line: bytes) -> CopyJob:
    return _JOB.validate_python(json.loads(line), context=IN_CLEAR)


def dump_limits(limits: Limits) -> bytes:
    return _LIMITS.dump_json(limits) + b"\n"


def load_limits(line: bytes) -> Limits:
    return _LIMITS.validate_json(line)


def dump_event(event: str, **fields: Any) -> bytes:
    return json.dumps({"event": event, **fields}).encode() + b"\n"


def dump_progress(progress: DiskProgress) -> bytes:
    return dump_event("progress", progress=asdict(progress))


def dump_results(results: tuple[DiskResult, ...]) -> bytes:
    return dump_event("results", results=[asdict(result) for result in results])


def dump_error(error: CoriolisError) -> bytes:
    return dump_event("error", kind=type(error).__name__, fields=error.fields)


def load_error(event: dict[str, Any]) -> CoriolisError:
    found = getattr(errors, str(event["kind"]), TransferError)
    error = found(**event["fields"])
    if not isinstance(error, CoriolisError):
        raise TypeError(event["kind"])
    return error
