"""How errors and progress cross the pipe from the transfer child to the engine's process: a line of JSON each."""

import json
from dataclasses import asdict
from typing import Any

from coriolis import errors
from coriolis.errors import CoriolisError, TransferError
from coriolis.model.progress import DiskProgress, DiskResult


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
