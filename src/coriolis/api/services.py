"""/diagnostics, /services, /regions, /minion_pools: read-only, as far as the embedded server has such"""

import json
import platform
import socket
import uuid
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Any

from fastapi import APIRouter, Request

from coriolis.api import views
from coriolis.api.context import Ctx
from coriolis.errors import CommandFailed, NotFound
from coriolis.runner import run

router = APIRouter(tags=["services"])
_BINARY = "coriolis-serve"
_TOPIC = "embedded"


@router.get("/diagnostics")
def get_diagnostics(_ctx: Ctx) -> dict[str, Any]:
    """One entry: the embedded server is its only service."""
    return {"diagnostics": [_specs()]}


@router.get("/services")
@router.get("/services/detail", include_in_schema=False)
def list_services(ctx: Ctx, request: Request) -> dict[str, Any]:
    return {"services": [_service(ctx, request)]}


@router.get("/services/{service_id}")
def show_service(ctx: Ctx, request: Request, service_id: str) -> dict[str, Any]:
    service = _service(ctx, request)
    if service["id"] != service_id:
        raise NotFound(kind="Service", name=service_id)
    return {"service": service}


@router.get("/regions")
@router.get("/regions/detail", include_in_schema=False)
def list_regions(_ctx: Ctx) -> dict[str, Any]:
    return {"regions": []}


@router.get("/regions/{region_id}")
def show_region(_ctx: Ctx, region_id: str) -> dict[str, Any]:
    raise NotFound(kind="Region", name=region_id)


@router.get("/minion_pools")
@router.get("/minion_pools/detail", include_in_schema=False)
def list_minion_pools(_ctx: Ctx) -> dict[str, Any]:
    return {"minion_pools": []}


@router.get("/minion_pools/{pool_id}")
def show_minion_pool(_ctx: Ctx, pool_id: str) -> dict[str, Any]:
    raise NotFound(kind="Minion pool", name=pool_id)


def release() -> str:
    try:
        return version("coriolis")
    except PackageNotFoundError:
        return "unknown"


def _service(ctx: Ctx, request: Request) -> dict[str, Any]:
    host = socket.gethostname()
    return {
        "created_at": views.moment(request.app.state.started_at),
        "updated_at": None,
        "deleted_at": None,
        "deleted": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{_BINARY}.{host}")),
        "host": host,
        "binary": _BINARY,
        "topic": _TOPIC,
        "enabled": True,
        "status": "UP",
        "providers": {name: {"types": list(types)} for name, types in ctx.front.platforms().items()},
        "specs": _specs(),
        "mapped_regions": [],
    }


def _specs() -> dict[str, Any]:
    return {
        "application": "coriolis",
        "release_tag": release(),
        "hostname": socket.gethostname(),
        "ip_addresses": _addresses(),
        "os_info": [platform.system(), platform.release(), platform.version(), platform.machine()],
        "packages": _packages(),
    }


def _packages() -> list[str]:
    """What this was built on, with versions: "fastapi==0.115.0"."""
    try:
        required = distribution("coriolis").requires or []
    except PackageNotFoundError:
        return []
    names = [line.split(";")[0].strip() for line in required if "extra ==" not in line]
    found = []
    for name in sorted({_bare(name) for name in names}):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (missing)")
    return found


def _bare(requirement: str) -> str:
    end = next((i for i, char in enumerate(requirement) if char in "<>=!~[ ("), len(requirement))
    return requirement[:end]


def _addresses() -> list[dict[str, list[str]]]:
    """By interface. Empty where iproute2 is not installed."""
    try:
        links = json.loads(run(["ip", "-json", "address", "show"], timeout=5).stdout)
    except (CommandFailed, ValueError):
        return []
    return [{link["ifname"]: [a["local"] for a in link["addr_info"] if "local" in a]} for link in links]
