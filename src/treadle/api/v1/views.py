"""Series and maps that pages draw, each in one answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from treadle.api.v1.context import ERRORS, Services
from treadle.api.v1.monitoring import Since
from treadle.domain import codec
from treadle.domain.errors import NotFound
from treadle.domain.monitoring import ColumnDrift, DriftReport, Evaluation, Measured
from treadle.spec.catalog import CATALOG
from treadle.wire import views as wire
from treadle.wire.control import Listed

router = APIRouter(tags=["views"], responses=ERRORS)

SEEN = 1000
"""Points of a curve that a chart can show."""
Metrics = Annotated[list[str], Query(default_factory=list, description="these metrics alone; all without")]


@router.get("/models/{model}/quality", response_model=wire.QualityAnswer)
def quality(model: str, services: Services, metric: Metrics, since: Since = None) -> Any:
    """Realised quality over time, a cohort each, as measured last."""
    services.models.get(model)
    found = last_measured(services.measurements.evaluations(model, since))
    measured = {name for evaluation in found for name in evaluation.metrics}
    names = sorted(measured & set(metric) if metric else measured)
    return {
        "since": [codec.to_plain(e.since) for e in found],
        "until": [codec.to_plain(e.until) for e in found],
        "version": [e.version for e in found],
        "maturity": [e.maturity.value for e in found],
        "predictions": [e.predictions for e in found],
        "labelled": [e.labelled for e in found],
        "censored": [e.censored for e in found],
        "metrics": {name: _series(e.metrics.get(name) for e in found) for name in names},
    }


@router.get("/models/{model}/drift-map", response_model=wire.DriftMapAnswer)
def drift_map(model: str, services: Services, since: Since = None) -> Any:
    """Drift of all columns over time."""
    services.models.get(model)
    reports = list(services.measurements.drift(model, since))
    return {
        "windows": [
            {"since": codec.to_plain(r.since), "until": codec.to_plain(r.until), "version": r.version, "rows": r.rows}
            for r in reports
        ],
        "columns": _drift_columns(reports),
    }


@router.get("/models/{model}/versions/{number}/origin", response_model=wire.OriginAnswer)
def origin(model: str, number: int, services: Services) -> Any:
    """The code tree and the locked requirements of a version."""
    recipe = services.versions.get(model, number).recipe
    found: dict[str, Any] = {"revision": None, "code": None, "environment": None}
    for revision in range(services.models.get(model).revision, 0, -1):
        applied = services.models.get(model, revision)
        if found["code"] is None and applied.code.digest == recipe.code_digest:
            found |= {"revision": revision, "code": codec.to_plain(applied.code)}
        if found["environment"] is None and applied.environment.digest == recipe.environment_digest:
            found["environment"] = codec.to_plain(applied.environment)
        if found["code"] is not None and found["environment"] is not None:
            break
    return found


@router.get("/runs/{run_id}/artifacts/{path:path}", response_class=Response)
def artifact(run_id: str, path: str, services: Services) -> Response:
    """The bytes of one of a run's artifacts, as a file to keep; logs are text to read."""
    digest = services.runs.get(run_id).artifacts.get(path)
    if digest is None or services.blobs is None:
        known = ", ".join(sorted(services.runs.get(run_id).artifacts)) or "none"
        raise NotFound(f"run {run_id!r} has no artifact {path!r}", hint=f"it has {known}")
    headers = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
    if path.endswith(".log"):
        return Response(services.blobs.get(digest), headers=headers, media_type="text/plain; charset=utf-8")
    headers["content-disposition"] = f'attachment; filename="{Path(path).name}"'
    return Response(services.blobs.get(digest), headers=headers, media_type="application/octet-stream")


@router.get("/metrics", response_model=Listed[wire.MetricMeaning])
def metrics() -> Any:
    """The metrics that Treadle knows: what each one means, in which unit, and which way is better."""
    return {
        "items": [
            {"name": m.name, "tasks": list(m.tasks), "better": m.better, "meaning": m.meaning, "unit": m.unit}
            for m in CATALOG.values()
        ]
    }


@router.get("/runs/{run_id}/curves", response_model=wire.CurvesAnswer)
def curves(run_id: str, services: Services) -> Any:
    """Every metric of a run that was logged at more than one step; of long ones as many points as can be seen.

    The least and the greatest value of each part are among them, so that no peak is lost.
    """
    found = {}
    for metric in sorted(services.tracking.get_run(run_id).metrics):
        if metric.step == 0:
            continue
        (curve,) = services.tracking.sampled([run_id], metric.key, points=SEEN)
        if len(set(curve.steps)) > 1:
            found[metric.key] = {"step": list(curve.steps), "value": [_drawn(value) for value in curve.values]}
    return {"curves": found}


def last_measured(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """One evaluation for each version and end of a cohort: the one that knew most."""
    last: dict[tuple[datetime, int | None], Evaluation] = {}
    for evaluation in evaluations:
        key = (evaluation.until, evaluation.version)
        if key not in last or last[key].at <= evaluation.at:
            last[key] = evaluation
    return sorted(last.values(), key=lambda e: (e.until, e.version or 0))


def _series(measured: Iterable[Measured | None]) -> dict[str, list[Any]]:
    found = [m or Measured(None) for m in measured]
    return {name: [_drawn(getattr(m, name)) for m in found] for name in ("value", "low", "high")}


def _drift_columns(reports: Sequence[DriftReport]) -> list[dict[str, Any]]:
    by_report = [{drift.column: drift for drift in report.columns} for report in reports]
    newest: dict[str, ColumnDrift] = {name: drift for drifts in by_report for name, drift in drifts.items()}
    moved = {name: max(drifts[name].effect for drifts in by_report if name in drifts) for name in newest}
    ordered = sorted(newest, key=lambda name: (not name.startswith("score"), -moved[name], name))
    return [
        {
            "column": name,
            "measure": newest[name].measure,
            "threshold": codec.to_plain(newest[name].threshold),
            "cells": [_cell(drifts.get(name)) for drifts in by_report],
        }
        for name in ordered
    ]


def _drawn(value: float | None) -> Any:
    """As many digits as anybody can see: halves what goes over the wire."""
    if value is None or not math.isfinite(value):
        return codec.to_plain(value)
    return float(f"{value:.6g}")


def _cell(drift: ColumnDrift | None) -> dict[str, Any] | None:
    if drift is None:
        return None
    return {
        "effect": _drawn(drift.effect),
        "low": _drawn(drift.low),
        "alert": drift.alert,
        "expected": drift.expected,
        "seen": drift.seen,
    }
