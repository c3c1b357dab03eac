"""Experiments and runs as any client has logged them, searched with the filters that MLflow's clients know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.filters import condition, orders
from treadle.api.mlflow.grammars import RUNS
from treadle.api.v1.context import ERRORS, Services
from treadle.domain import codec
from treadle.domain.errors import InvalidInput
from treadle.domain.search import EVERYTHING, Condition, Order
from treadle.domain.tracking import CONTEXT_TAG, NOTE_TAG, Experiment, TrackedRun
from treadle.wire import tracking as wire
from treadle.wire.control import Listed

router = APIRouter(tags=["tracking"], responses=ERRORS)

MAX_EXPERIMENTS = 1000

Filter = Annotated[str, Query(alias="filter", description="for example: metrics.loss < 0.3 and params.depth = '4'")]
Text = Annotated[str, Query(description="words that names, params, tags or notes must have")]
OrderBy = Annotated[list[str], Query(default_factory=list, description="for example: metrics.loss DESC")]
Page = Annotated[int, Query(ge=1, le=500, description="how many at most")]
Cursor = Annotated[str | None, Query(description="where the page before ended")]


@router.get("/experiments", response_model=Listed[wire.ExperimentRow])
def experiments(services: Services) -> Any:
    """All experiments that are not deleted, newest first, with how many runs each has."""
    found = services.tracking.search_experiments(limit=MAX_EXPERIMENTS).items
    return {"items": [_experiment(one, services.tracking.count_runs([one.id])) for one in found]}


@router.get("/experiments/{experiment}/runs", response_model=wire.TrackedPage)
def search_runs(
    experiment: str,
    services: Services,
    order: OrderBy,
    where: Filter = "",
    text: Text = "",
    limit: Page = 100,
    cursor: Cursor = None,
) -> Any:
    """Runs of an experiment that fulfil a filter, newest first where no order is asked for."""
    services.tracking.get_experiment(experiment)
    wanted, by = _parsed(where, order)
    found = services.tracking.search_runs([experiment], wanted, by, text=text, limit=limit, cursor=cursor)
    count = services.tracking.count_runs([experiment], wanted, text=text)
    return {"items": [_run(run) for run in found.items], "count": count, "cursor": found.cursor}


@router.get("/runs/{run_id}/tracked", response_model=wire.TrackedDetail)
def tracked(run_id: str, services: Services) -> Any:
    """One run as it was logged, with its experiment and the data it used."""
    run = services.tracking.get_run(run_id)
    experiment = services.tracking.get_experiment(run.info.experiment)
    return {
        "run": _run(run),
        "experiment": _experiment(experiment, services.tracking.count_runs([experiment.id])),
        "datasets": [
            {
                "name": used.dataset.name,
                "digest": used.dataset.digest,
                "source_type": used.dataset.source_type,
                "context": used.tags.get(CONTEXT_TAG, ""),
            }
            for used in run.datasets
        ],
    }


def _parsed(where: str, order: list[str]) -> tuple[Condition, tuple[Order, ...]]:
    try:
        return condition(where, RUNS) if where.strip() else EVERYTHING, orders(order, RUNS)
    except ProtocolError as error:
        hint = "write it as in: metrics.auc > 0.7 and params.depth = '4' and tags.team = 'a'"
        raise InvalidInput(str(error), hint=hint) from error


def _experiment(found: Experiment, runs: int) -> Mapping[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "model": found.model,
        "note": found.tags.get(NOTE_TAG, ""),
        "created": _time(found.created),
        "updated": _time(found.updated),
        "runs": runs,
    }


def _run(run: TrackedRun) -> Mapping[str, Any]:
    info = run.info
    return {
        "id": info.id,
        "name": info.name,
        "experiment": info.experiment,
        "user": info.user,
        "status": info.status.value.lower(),
        "started": _time(info.started),
        "ended": None if info.ended is None else _time(info.ended),
        "params": dict(run.params),
        "metrics": {
            metric.key: {
                "value": codec.to_plain(metric.value),
                "step": metric.step,
                "least": codec.to_plain(metric.least),
                "greatest": codec.to_plain(metric.greatest),
            }
            for metric in run.metrics
        },
        "tags": dict(run.tags),
    }


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
