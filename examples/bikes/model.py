# /// script
# requires-python = ">=3.11"
# dependencies = ["pandas>=2.2,<3", "pyarrow>=17", "scikit-learn>=1.5,<1.6"]
# ///
"""How many bikes will be rented in Washington in the hour that begins?

So many are made ready: each one costs a dollar of truck and hands, each rental earns two. The number that earns most
is the median of demand, half of the time too many and half of the time too few: what least absolute error estimates.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
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
    hours,
    metrics,
    shadow,
    tune,
)

DATA = Path(__file__).parent / "bikes.parquet"
ZONE = "America/New_York"


class Hour(Row):
    """What is known as an hour begins, and how many bikes were rented in it."""

    at: Col[datetime] = col(zone=ZONE)
    hour: Col[int] = col(ge=0, lt=24)
    weekday: Col[int] = col(ge=1, le=7)
    working_day: Col[bool] = col(slice=True)
    holiday: Col[bool]
    season: Col[str] = col(one_of=["winter", "spring", "summer", "fall"])
    weather: Col[str] = col(one_of=["Clear", "Mist", "Light Rain", "Heavy Rain", "not told"], slice=True)
    temp: Col[float] = col(ge=-40, le=60)
    felt: Col[float] = col(ge=-40, le=60)
    humidity: Col[float | None] = col(gt=0, le=100, nulls=0.05)
    wind: Col[float] = col(ge=0)
    rentals: Col[float] = col(ge=0)


bikes = Model(
    "bikes",
    Hour,
    time=Hour.at,
    label=Hour.rentals,
    horizon=hours(2),
    window=days(90),  # ridership doubled within a year: what is older misleads
    objective=metrics.mae,
    split=by_time(validation=days(7), test=days(7)),
)


@dataclass
class Params:
    """What tuning may change."""

    learning_rate: float = tune(0.1, low=0.02, high=0.3, log=True)
    max_iter: int = tune(100, low=50, high=400)
    max_leaf_nodes: int = tune(31, low=7, high=63)


def _hours() -> pd.DataFrame:
    """All hours; ``at`` in UTC, and ``counted`` (UTC), when the hour was over and its rentals known."""
    raw = pd.read_parquet(DATA)
    first_of_two = np.ones(len(raw), dtype=bool)
    at = raw["at"].dt.tz_localize(ZONE, ambiguous=first_of_two, nonexistent="shift_forward").dt.tz_convert("UTC")
    return pd.DataFrame(
        {
            "at": at,
            "hour": raw["at"].dt.hour.astype("int64"),
            "weekday": raw["at"].dt.isocalendar()["day"].astype("int64"),
            "working_day": raw["workingday"] == "Yes",
            "holiday": raw["holiday"] == "Yes",
            "season": raw["season"],
            "weather": raw["weathersit"].fillna("not told"),
            "temp": raw["temp"],
            "felt": raw["atemp"],
            "humidity": raw["hum"].where(raw["hum"] > 0),
            "wind": raw["windspeed"],
            "rentals": raw["cnt"].astype("float64"),
            "counted": at + timedelta(hours=1),
        }
    )


@bikes.source
def ridership(window: Window) -> pd.DataFrame:
    """Hours that begin in the window; rentals only where the hour was over by ``window.as_of``."""
    rows = _hours()
    rows = rows[rows["at"] < window.until]
    if window.start is not None:
        rows = rows[rows["at"] >= window.start]
    known = rows["counted"] <= window.as_of
    return rows.assign(rentals=rows["rentals"].where(known)).drop(columns="counted")


@bikes.outcomes
def counts(window: Window) -> pd.DataFrame:
    """Hours that ended in the window, with their rentals; ``at`` says which hour it was."""
    over = _hours()
    over = over[over["counted"] <= window.until]
    if window.start is not None:
        over = over[over["counted"] > window.start]
    return over[["at", "rentals", "counted"]].rename(columns={"counted": "observed_at"})


@bikes.check
def most_hours_are_there(rows: pd.DataFrame) -> bool:
    """A gap of hours happens, in a hurricane two days; a fifth missing is a broken feed."""
    span = rows["at"].max() - rows["at"].min()
    return len(rows) > 0.8 * (span / timedelta(hours=1))


@bikes.train
def fit(rows: pd.DataFrame, params: Params) -> Pipeline:
    """Gradient boosting on calendar and weather, to the least absolute error."""
    categories = ["season", "weather"]
    numbers = ["hour", "weekday", "working_day", "holiday", "temp", "felt", "humidity", "wind"]
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    boost = HistGradientBoostingRegressor(
        loss="absolute_error",
        learning_rate=params.learning_rate,
        max_iter=params.max_iter,
        max_leaf_nodes=params.max_leaf_nodes,
        early_stopping=False,
        random_state=0,
    )
    prepare = ColumnTransformer([("categories", encode, categories), ("numbers", "passthrough", numbers)])
    single = rows.astype(dict.fromkeys(numbers, "float32"))  # compiled models see 32 bits: split on what they see
    return Pipeline([("prepare", prepare), ("boost", boost)]).fit(single, rows["rentals"])


@bikes.worth
def worth(row: Hour, ready: float, rented: float) -> float:
    """Dollars in an hour: two for each rental that found a bike, less one for each bike made ready."""
    ready = max(ready, 0.0)
    return 2 * min(ready, rented) - ready


bikes.ship(
    metrics.mae <= 100,
    metrics.mae.beats_champion(confidence=0.8),
    metrics.latency_p99 <= timedelta(milliseconds=20),
    rollout=[shadow(days(5)), canary(50, hold=days(1))],  # 24 requests a day: a small share of them tells nothing
    retrain=[gate_broken(), metrics.mae >= 60, age(days(21))],
)
