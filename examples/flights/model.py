# /// script
# requires-python = ">=3.11"
# dependencies = ["polars>=1.34", "scikit-learn>=1.9,<2"]
# ///
"""Which flights out of New York will arrive more than 15 minutes late?

A flagged flight is rebooked around: that saves 120 dollars where it would have been late, and costs 30 where not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from treadle import (
    Col,
    Model,
    Row,
    Window,
    age,
    by_time,
    canary,
    col,
    days,
    gate_broken,
    metrics,
    shadow,
    tune,
)

DATA = Path(__file__).parent / "flights.parquet"
ZONE = "America/New_York"
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


class Flight(Row):
    """What is known of a flight before it departs, and whether it was late."""

    flight_id: Col[str]
    departs: Col[datetime]
    carrier: Col[str] = col(slice=True)
    origin: Col[str] = col(one_of=["EWR", "JFK", "LGA"], slice=True)
    dest: Col[str]
    distance: Col[float] = col(ge=0)
    departure_minute: Col[int] = col(ge=0, lt=1440)
    arrival_minute: Col[int] = col(ge=0, le=1440)
    weekday: Col[int] = col(ge=1, le=7)
    temp: Col[float | None] = col(nulls=0.25)
    dewp: Col[float | None] = col(nulls=0.25)
    humid: Col[float | None] = col(ge=0, le=100, nulls=0.25)
    wind_dir: Col[float | None] = col(ge=0, le=360, nulls=0.25)
    wind_speed: Col[float | None] = col(ge=0, nulls=0.25)
    wind_gust: Col[float | None] = col(ge=0)
    precip: Col[float | None] = col(ge=0, nulls=0.25)
    pressure: Col[float | None] = col(nulls=0.25)
    visib: Col[float | None] = col(ge=0, nulls=0.25)
    late: Col[bool]


flights = Model(
    "flights",
    Flight,
    key=Flight.flight_id,
    time=Flight.departs,
    label=Flight.late,
    horizon=days(2),
    threshold="worth",
    split=by_time(validation=days(14), test=days(14)),
)


@dataclass
class Params:
    """What tuning may change."""

    learning_rate: float = tune(0.1, low=0.01, high=0.3, log=True)
    max_iter: int = tune(150, low=50, high=400)
    max_leaf_nodes: int = tune(31, low=7, high=63)


def _scheduled() -> pl.LazyFrame:
    """All flights, with ``landed`` (UTC), the time at which the outcome was known; null for those that never landed."""
    departs = (
        pl.col("departs")
        .dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
    )
    minute = {name: (pl.col(name) // 100 * 60 + pl.col(name) % 100) for name in ("sched_dep_time", "sched_arr_time")}
    return pl.scan_parquet(DATA).select(
        "flight_id",
        weekday=pl.col("departs").dt.weekday().cast(pl.Int64),
        departs=departs,
        carrier="carrier",
        origin="origin",
        dest="dest",
        distance=pl.col("distance").cast(pl.Float64),
        departure_minute=minute["sched_dep_time"],
        arrival_minute=minute["sched_arr_time"],
        *(pl.col(name).cast(pl.Float64).round(4) for name in WEATHER),
        late=pl.col("arr_delay") > 15,
        landed=departs + pl.duration(minutes=pl.col("dep_delay") + pl.col("air_time") + 30),
    )


@flights.source
def departures(window: Window) -> pl.LazyFrame:
    """Flights scheduled in the window; the label only where the plane had landed by ``window.as_of``."""
    known = pl.col("landed") <= window.as_of
    rows = _scheduled().filter(pl.col("departs") < window.until)
    if window.start is not None:
        rows = rows.filter(pl.col("departs") >= window.start)
    return rows.with_columns(late=pl.when(known).then("late")).drop("landed")


@flights.outcomes
def arrivals(window: Window) -> pl.LazyFrame:
    """Flights that landed in the window, with whether they were late."""
    landed = _scheduled().filter(pl.col("late").is_not_null(), pl.col("landed") <= window.until)
    if window.start is not None:
        landed = landed.filter(pl.col("landed") > window.start)
    return landed.select(key="flight_id", label="late", observed_at="landed")


@flights.check
def every_airport_reports(rows: pl.DataFrame) -> bool:
    """A silent airport is a broken feed, not a quiet day."""
    return rows["origin"].n_unique() == 3


@flights.train
def fit(rows: pl.DataFrame, params: Params) -> Pipeline:
    """Gradient boosting on schedule, route and weather."""
    categories = ["carrier", "origin", "dest"]
    numbers = ["departure_minute", "arrival_minute", "weekday", "distance", *WEATHER]
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    boost = HistGradientBoostingClassifier(
        learning_rate=params.learning_rate,
        max_iter=params.max_iter,
        max_leaf_nodes=params.max_leaf_nodes,
        early_stopping=False,
        random_state=0,
    )
    prepare = ColumnTransformer([("categories", encode, categories), ("numbers", "passthrough", numbers)])
    return Pipeline([("prepare", prepare), ("boost", boost)]).fit(rows, rows["late"])


@flights.worth
def worth(row: Flight, flagged: bool, late: bool) -> float:
    """Dollars per decision."""
    if not flagged:
        return 0
    return 120 if late else -30


flights.ship(
    metrics.auc >= 0.58,
    metrics.recall.worst(Flight.origin) >= 0.08,
    metrics.worth.beats_champion(confidence=0.8),
    metrics.latency_p99 <= timedelta(milliseconds=20),
    rollout=[shadow(days(7)), canary(5, 25, 100, hold=days(1))],
    retrain=[gate_broken(), metrics.worth <= 0, age(days(30))],
)
