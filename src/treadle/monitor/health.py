"""How the gateway fared, from the prediction log."""

from __future__ import annotations

import math
from datetime import datetime

import polars as pl

from treadle.domain.monitoring import ServiceHealth
from treadle.evaluation.gates import ServiceFigures
from treadle.monitor.cohorts import answered
from treadle.ports.predictions import PredictionLog

FEWEST_REQUESTS = 100
Z_99 = 2.326347874


def health(log: PredictionLog, model: str, since: datetime, until: datetime, *, errors: int = 0) -> ServiceHealth:
    """Requests, predictions and latencies (milliseconds a request, in the gateway) of ``[since, until)``.

    The log holds answered requests; ``errors`` counts those that were not, where the gateways told of them.
    """
    requests = _requests(log, model, since, until)
    if requests is None:
        return ServiceHealth(model, since, until, errors, 0, errors, None, None)
    found = (
        requests.select(
            pl.len().alias("requests"),
            pl.col("rows").sum().alias("predictions"),
            pl.col("latency_ms").quantile(0.5, "nearest").alias("p50"),
            pl.col("latency_ms").quantile(0.99, "higher").alias("p99"),
        )
        .collect()
        .row(0, named=True)
    )
    return ServiceHealth(
        model=model,
        since=since,
        until=until,
        requests=int(found["requests"]) + errors,
        predictions=int(found["predictions"] or 0),
        errors=errors,
        latency_p50=found["p50"],
        latency_p99=found["p99"],
    )


def live_figures(
    log: PredictionLog, model: str, version: int | None, since: datetime, until: datetime
) -> ServiceFigures:
    """What gates on latency are held against on live traffic, in seconds, from the requests that ``version`` answered.

    A break must be more than noise, so these are one-sided lower bounds at 99 % of the quantiles (order statistics of
    independent requests); not measured with fewer than 100 requests.
    """
    requests = _requests(log, model, since, until, version)
    latencies = None if requests is None else requests.select("latency_ms").collect()["latency_ms"].sort()
    if latencies is None or len(latencies) < FEWEST_REQUESTS:
        return ServiceFigures()
    return ServiceFigures(latency_p50=_low(latencies, 0.5) / 1000, latency_p99=_low(latencies, 0.99) / 1000)


def _low(ordered: pl.Series, quantile: float) -> float:
    """The lower bound of a quantile: the normal approximation of the binomial rank."""
    count = len(ordered)
    rank = math.floor(count * quantile - Z_99 * math.sqrt(count * quantile * (1 - quantile)))
    return float(ordered[max(rank, 0)])


def _requests(
    log: PredictionLog, model: str, since: datetime, until: datetime, version: int | None = None
) -> pl.LazyFrame | None:
    """One row a request: ``rows`` and ``latency_ms``."""
    rows = answered(log, model, since, until)
    if rows is None:
        return None
    if version is not None:
        rows = rows.filter(pl.col("version") == version)
    return rows.group_by("request_id").agg(pl.len().alias("rows"), pl.col("latency_ms").first())
