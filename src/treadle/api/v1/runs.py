"""Runs and their metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from treadle.api.v1.context import ERRORS, Limit, Services
from treadle.domain import codec
from treadle.domain.errors import NotFound
from treadle.wire import control as wire
from treadle.wire import records

router = APIRouter(prefix="/runs", tags=["runs"], responses=ERRORS)


@router.get("", response_model=wire.Listed[records.Run])
def runs(services: Services, model: str | None = None, parent: str | None = None, limit: Limit = 100) -> Any:
    """Runs, newest first; ``parent`` selects the trials of one run, an empty one the runs that are no trial."""
    return {"items": codec.to_plain(list(services.runs.list(model=model, parent=parent, limit=limit)))}


@router.get("/{run_id}", response_model=records.Run)
def run(run_id: str, services: Services) -> Any:
    """One run with its params, the last value of each metric, and its leaderboard."""
    return codec.to_plain(services.runs.get(run_id))


@router.get("/{run_id}/metrics/{key:path}", response_model=wire.Listed[records.MetricPoint])
def points(run_id: str, key: str, services: Services) -> Any:
    """A metric's points by step."""
    found = list(services.runs.points(run_id, key))
    if not found:
        known = sorted(services.runs.get(run_id).metrics)
        raise NotFound(
            f"run {run_id!r} has no metric {key!r}", hint=f"it has {', '.join(known)}" if known else "it has none yet"
        )
    return {"items": codec.to_plain(found)}


@router.get("/{run_id}/leaderboard", response_model=wire.Listed[records.Candidate])
def leaderboard(run_id: str, services: Services) -> Any:
    """What the run chose among."""
    return {"items": codec.to_plain(list(services.runs.get(run_id).leaderboard))}
