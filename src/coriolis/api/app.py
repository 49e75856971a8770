"""The REST API v1 as an ASGI application."""

from fastapi import APIRouter, FastAPI

from coriolis.api import (
    deployments,
    endpoints,
    executions,
    inventory,
    migrations,
    minion_pools,
    providers,
    regions,
    resources,
    root,
    services,
    transfers,
)
from coriolis.api.faults import add_fault_handlers
from coriolis.api.gate import PROJECT_PREFIX, open_gate
from coriolis.config import Settings
from coriolis.engine.frontdoor import FrontDoor
from coriolis.engine.host import release
from coriolis.store.database import Database

_DESCRIPTION = "Migration and disaster recovery of virtual machines between clouds."

PROJECT_ROUTERS = tuple(
    module.router
    for module in (
        providers,
        endpoints,
        inventory,
        transfers,
        executions,
        migrations,
        deployments,
        resources,
        services,
        regions,
        minion_pools,
    )
)


def create_app(front: FrontDoor, database: Database, settings: Settings) -> FastAPI:
    """Opens nothing and closes nothing. Raises InvalidInput when the policy file is not there."""
    app = FastAPI(
        title="Coriolis",
        version=release(),
        description=_DESCRIPTION,
        openapi_url="/openapi.json",
        # both would load scripts from other hosts
        docs_url=None,
        redoc_url=None,
        # existing clients send JSON without saying so
        strict_content_type=False,
        redirect_slashes=False,
    )
    app.state.front = front
    app.state.database = database
    app.state.settings = settings
    app.state.gate = open_gate(settings)
    add_fault_handlers(app)
    app.include_router(root.router)
    project = APIRouter(prefix=PROJECT_PREFIX)
    for router in PROJECT_ROUTERS:
        project.include_router(router)
    app.include_router(project)
    return app
