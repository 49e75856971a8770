"""The REST API v1 as an ASGI application."""

from fastapi import APIRouter, FastAPI

from coriolis.api import (
    deployments,
    endpoints,
    executions,
    inventory,
    minion_pools,
    providers,
    regions,
    resources,
    root,
    services,
    transfers,
)
from coriolis.api.faults import add_fault_handlers
from coriolis.config import Settings
from coriolis.engine.frontdoor import FrontDoor
from coriolis.engine.host import release
from coriolis.store.database import Database

_DESCRIPTION = "Migration and disaster recovery of virtual machines between clouds."


def create_app(front: FrontDoor, database: Database, settings: Settings) -> FastAPI:
    """Opens nothing and closes nothing."""
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
    add_fault_handlers(app)
    app.include_router(root.router)
    project = APIRouter(prefix="/v1/{project_id}")
    for module in (
        providers,
        endpoints,
        inventory,
        transfers,
        executions,
        deployments,
        resources,
        services,
        regions,
        minion_pools,
    ):
        project.include_router(module.router)
    app.include_router(project)
    return app
