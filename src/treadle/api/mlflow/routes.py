"""All routes of the protocol, one module a room."""

from __future__ import annotations

from treadle.api.mlflow import (
    artifacts,
    comments,
    datasets,
    experiments,
    logged_models,
    metrics,
    model_versions,
    multipart,
    registered_models,
    run_data,
    runs,
    server,
    webhooks,
)
from treadle.api.mlflow.calls import Routes


def all_routes() -> Routes:
    """Everything that is served."""
    routes = Routes()
    rooms = (
        artifacts,
        multipart,
        comments,
        datasets,
        experiments,
        logged_models,
        metrics,
        model_versions,
        registered_models,
        run_data,
        runs,
        server,
        webhooks,
    )
    for room in rooms:
        routes.include(room.routes)
    return routes
