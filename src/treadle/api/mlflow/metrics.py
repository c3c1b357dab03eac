"""Curves: the points of metrics, whole or thinned out for charts."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.api.mlflow import rules
from treadle.api.mlflow.bodies import missing_value
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.waiting import read
from treadle.domain.tracking import Curve
from treadle.wire.mlflow import metrics as wire
from treadle.wire.mlflow.fields import Number, number

routes = Routes()
MAX_BULK_RUNS = 100
MAX_BULK_POINTS = 25_000
MAX_POINTS_PER_RUN = 2500


@routes.add("GET", "/api/2.0/mlflow/metrics/get-history")
async def history(call: Call) -> Answer:
    """All points of one metric, or a page of them."""
    asked = await call.given(wire.HistoryAsked)
    run, key = rules.run_id(asked.run_id, asked.run_uuid), rules.required(asked.metric_key, "metric_key")
    if asked.max_results is not None and asked.max_results < 1:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"Invalid value {asked.max_results} for parameter 'max_results' supplied. It must be a positive integer.",
        )

    def points() -> Answer:
        curve = call.services.tracking.history(run, key, limit=asked.max_results, cursor=asked.page_token or None)
        rows = map(wire.PointOut, [key] * len(curve), _numbers(curve.values), curve.timestamps, curve.steps)
        return answer(wire.History(list(rows), curve.cursor))

    return await read(points)


@routes.add("GET", "/api/2.0/mlflow/metrics/get-history-bulk")
async def bulk(call: Call) -> Answer:
    """One metric of several runs, as many points as fit."""
    asked = await call.given(wire.BulkAsked)
    runs = sorted(set(asked.run_id or ()))
    if not runs:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "GetMetricHistoryBulk request must specify at least one run_id.")
    if len(runs) > MAX_BULK_RUNS:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"GetMetricHistoryBulk request cannot specify more than {MAX_BULK_RUNS} run_ids. "
            f"Received {len(runs)} run_ids.",
        )
    if asked.metric_key is None:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "GetMetricHistoryBulk request must specify a metric_key.")
    limit = max(0, min(MAX_BULK_POINTS if asked.max_results is None else asked.max_results, MAX_BULK_POINTS))
    key = asked.metric_key
    return await read(lambda: _of_runs(key, call.services.tracking.histories(runs, key, limit=limit)))


@routes.add("GET", "/api/2.0/mlflow/metrics/get-history-bulk-interval")
async def interval(call: Call) -> Answer:
    """One metric of several runs between two steps, thinned out so that no peak is lost."""
    asked = await call.given(wire.IntervalAsked)
    key = rules.required(asked.metric_key, "metric_key")
    runs = asked.run_ids or ()
    if not runs:
        raise missing_value("run_ids")
    if len(runs) > MAX_BULK_RUNS:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"GetMetricHistoryBulkInterval request must specify at most {MAX_BULK_RUNS} run_ids. "
            f"Received {len(runs)} run_ids.",
        )
    most = MAX_POINTS_PER_RUN if asked.max_results is None else asked.max_results
    if not 1 <= most <= MAX_POINTS_PER_RUN:
        raise ProtocolError("INVALID_PARAMETER_VALUE", f"max_results must be between 1 and {MAX_POINTS_PER_RUN}.")
    first, last = _steps(asked)
    tracking = call.services.tracking
    return await read(lambda: _of_runs(key, tracking.sampled(runs, key, points=most, first=first, last=last)))


def _steps(asked: wire.IntervalAsked) -> tuple[int | None, int | None]:
    """The first and the last step that are wanted."""
    first, last = asked.start_step, asked.end_step
    if (first is None) != (last is None):
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            "If either start step or end step are specified, both must be specified.",
        )
    if first is not None and last is not None and first > last:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"end_step must be greater than start_step. Found start_step={first} and end_step={last}.",
        )
    return first, last


def _of_runs(key: str, curves: Sequence[Curve]) -> Answer:
    points = [
        point
        for curve in curves
        for point in map(
            wire.RunPointOut,
            [key] * len(curve),
            _numbers(curve.values),
            curve.timestamps,
            curve.steps,
            [curve.run] * len(curve),
        )
    ]
    return answer(wire.Histories(points))


def _numbers(values: Sequence[float]) -> Sequence[Number]:
    """Values as they are sent; only curves with NaN or infinities cost a look at each."""
    whole = sum(values)
    return values if whole - whole == 0.0 else [number(value) for value in values]
