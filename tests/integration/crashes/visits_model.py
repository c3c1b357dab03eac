# /// script
# requires-python = ">=3.11"
# dependencies = ["polars>=1.34"]
# ///
"""Will somebody come who has booked a visit? Small, quick, and served by a worker; after five days all turns round."""

import math
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from treadle import Col, Model, Row, Window, age, by_time, canary, col, days, gate_broken, metrics, shadow

DATA = Path(__file__).parent / "visits.parquet"


class Visit(Row):
    """A booked visit."""

    visit_id: Col[str]
    at: Col[datetime]
    x: Col[float] = col(ge=-10, le=10)
    came: Col[bool]


visits = Model(
    "visits",
    Visit,
    key=Visit.visit_id,
    time=Visit.at,
    label=Visit.came,
    horizon=timedelta(hours=12),
    threshold="worth",
    window=days(8),
    spacing=days(1),
    probation=days(2),
    split=by_time(validation=days(1), test=days(5)),
)


@visits.source
def booked(window: Window) -> pl.LazyFrame:
    """Visits of the window; whether somebody came is known a few hours later."""
    rows = pl.scan_parquet(DATA).filter(pl.col("at") < window.until)
    if window.start is not None:
        rows = rows.filter(pl.col("at") >= window.start)
    return rows.with_columns(came=pl.when(pl.col("known") <= window.as_of).then("came")).drop("known")


@visits.outcomes
def seen(window: Window) -> pl.LazyFrame:
    """Who came."""
    rows = pl.scan_parquet(DATA).filter(pl.col("known") <= window.until)
    if window.start is not None:
        rows = rows.filter(pl.col("known") > window.start)
    return rows.select(key="visit_id", label="came", observed_at="known")


@visits.train
def fit(rows: pl.DataFrame) -> dict[str, float]:
    """Which way ``x`` points, and how much."""
    means = {came: part["x"].mean() or 0.0 for (came,), part in rows.group_by("came")}
    return {"slope": round(means.get(True, 0.0) - means.get(False, 0.0), 9)}


@visits.predict
def score(fitted: dict[str, float], rows: pl.DataFrame) -> list[float]:
    """The probability that somebody comes."""
    return [1 / (1 + math.exp(-fitted["slope"] * x)) for x in rows["x"]]


@visits.worth
def worth(row: Visit, expected: bool, came: bool) -> float:
    """A table kept for nobody costs."""
    return (2.0 if came else -1.0) if expected else 0.0


visits.ship(
    metrics.auc >= 0.62,
    metrics.worth.beats_champion(confidence=0.8),
    rollout=[shadow(days(2)), canary(30, 100, hold=days(1))],
    retrain=[gate_broken(), age(days(4))],
)
