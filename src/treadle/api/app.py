"""The control plane as an ASGI application."""

from __future__ import annotations

import asyncio
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from treadle.api import errors
from treadle.api.guards import BodyLimit, HostGuard
from treadle.api.history import History
from treadle.api.mlflow.app import MlflowApp
from treadle.api.mlflow.routes import all_routes
from treadle.api.mlflow.services import TrackingServices
from treadle.api.packing import Packing
from treadle.api.services import ControlServices
from treadle.api.v1 import bundles, live, models, monitoring, registry, rollouts, runs, status, tracking, views
from treadle.api.v1.context import Services
from treadle.domain.errors import TreadleError
from treadle.wire import control as wire

READY_PATIENCE = 0.8

router = APIRouter(tags=["server"])


def create_app(services: ControlServices) -> FastAPI:
    """The control plane over these services: ``/health``, ``/version``, ``/docs`` and ``/api/v1``."""
    app = FastAPI(
        title="Treadle",
        version=services.version,
        description="The whole life of a machine-learning model.",
        redoc_url=None,
    )
    app.state.services = services
    app.state.history = History(services.events)
    app.include_router(router)
    for module in (status, bundles, models, monitoring, runs, views, live, rollouts, tracking, registry):
        app.include_router(module.router, prefix="/api/v1")
    errors.install(app)
    app.add_middleware(Packing)
    app.add_middleware(BodyLimit)
    app.add_middleware(HostGuard, hosts=services.hosts)
    return app


def create_server(control: ASGIApp, services: ControlServices, tracking: TrackingServices) -> ASGIApp:
    """The whole of what the control process serves: the tracking protocol, and behind it the control plane."""
    return HostGuard(MlflowApp(tracking, all_routes(), control), services.hosts)


@router.get("/health", response_model=wire.HealthAnswer, responses={503: {"model": wire.HealthAnswer}})
async def health(services: Services) -> Any:
    """Answers 200 once the store and the loop answer, 503 until then."""
    waiting = []
    try:
        await run_sync(services.models.all)
    except Exception:  # noqa: BLE001  whatever is wrong with the store, it is not ready
        waiting.append("store")
    try:
        await asyncio.wait_for(services.loop.call("status"), READY_PATIENCE)
    except (TimeoutError, TreadleError):
        waiting.append("loop")
    answer = {"status": "starting" if waiting else "ok", "version": services.version, "waiting_for": waiting}
    return JSONResponse(answer, 503) if waiting else answer


@router.get("/version", response_model=wire.VersionAnswer)
def version(services: Services) -> Any:
    """The server's release."""
    return {"version": services.version}
