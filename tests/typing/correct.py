# /// script
# requires-python = ">=3.11"
# dependencies = ["polars", "scikit-learn>=1.9,<2"]
# ///
"""Which flights out of New York will arrive more than 15 minutes late?"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from treadle import (
    Col,
    Model,
    Resources,
    Row,
    Trial,
    Window,
    age,
    by_time,
    canary,
    col,
    days,
    gate_broken,
    hours,
    metrics,
    minutes,
    shadow,
    tune,
)


class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    carrier: Col[str] = col(slice=True)
    origin: Col[str] = col(one_of=["EWR", "JFK", "LGA"], slice=True)
    distance: Col[float] = col(ge=0)
    pressure: Col[float | None] = col(nulls=0.25)  # at most 25 % missing
    late: Col[bool]


flights = Model(
    "flights",
    Flight,
    key=Flight.flight_id,
    time=Flight.departs,
    label=Flight.late,
    horizon=days(2),  # a label that has not come by then never will
    threshold="worth",
    window=days(365),
    probation=days(14),
    poll=hours(24),
    objective=metrics.auc,
    seed=7,
    split=by_time(validation=days(14), test=days(28)),
    resources=Resources(cpus=2, memory="4GB", gpus=0),
)


@dataclass
class Params:
    learning_rate: float = tune(0.1, low=0.01, high=0.3, log=True)
    max_iter: int = tune(150, low=50, high=400)
    loss: str = tune("log", choices=["log", "hinge"])
    warm: bool = tune(False, choices=[True, False])
    patience: int = 5


@flights.source  # rows as known at window.as_of, labels included
def departures(window: Window) -> pl.LazyFrame:
    return pl.LazyFrame({"departs": [window.until]})


@flights.outcomes  # key, label, observed_at: when the plane had landed
def arrivals(window: Window) -> pl.LazyFrame:
    return pl.LazyFrame({"observed_at": [window.until]})


@flights.check
def every_airport_reports(rows: pl.DataFrame) -> bool:
    return rows["origin"].n_unique() == 3


@flights.features
def features(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("carrier", "origin", "distance")


@flights.train
def fit(rows: pl.DataFrame, params: Params, trial: Trial, seed: int = 0) -> Pipeline:
    trial.report(0.5, step=1)
    return make_pipeline(LogisticRegression(max_iter=params.max_iter, random_state=seed))


@flights.predict
def predict(model: Pipeline, rows: pl.DataFrame) -> pl.Series:
    return pl.Series(model.predict_proba(rows)[:, 1])


@flights.worth  # dollars per decision
def worth(row: Flight, flagged: bool, late: bool) -> float:
    return (120 if late else -30) if flagged else 0


flights.ship(
    metrics.auc >= 0.58,
    metrics.recall.worst(Flight.origin) >= 0.08,  # fairness: the worst slice
    metrics.auc.slice(Flight.origin == "JFK") > 0.5,
    (metrics.precision > 0.2) | (metrics.recall.gap(Flight.carrier) <= 0.2) & (metrics.f1 >= 0.1),
    metrics.worth.beats_champion(confidence=0.95, at_least=0.1),
    metrics.auc.not_worse_than_champion(margin=0.01),
    metrics.latency_p99 <= timedelta(milliseconds=20),
    metrics.size <= 50_000_000,
    rollout=[shadow(days(2)), canary(5, 25, 100, hold=days(1))],
    retrain=[gate_broken(), metrics.worth <= 0, age(days(30))],
)

# the names of parameters are kept, and rows are built by keyword
flight = Flight(
    flight_id="UA-1",
    departs=datetime(2013, 1, 1, tzinfo=UTC),
    carrier="UA",
    origin="EWR",
    distance=100,
    pressure=None,
    late=True,
)
value: float = worth(row=flight, flagged=True, late=flight.late)
doubled: float = flight.distance * 2
frame: pl.LazyFrame = departures(window=Window(start=None, until=flight.departs, as_of=flight.departs))
good: bool = every_airport_reports(rows=pl.DataFrame({"origin": ["EWR", "JFK", "LGA"]}))


class Iris(Row):
    width: Col[float]
    species: Col[str] = col(one_of=["setosa", "virginica"])


irises = Model("irises", Iris, label=Iris.species, split=by_time(validation=0.1, test=0.2), poll=minutes(5))


@irises.train
def fit_irises(rows: pl.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(rows.select("width"), rows["species"])


@irises.worth
def worth_of_iris(row: Iris, decision: str, label: str) -> float:
    return float(decision == label) * row.width


irises.ship(metrics.f1_macro >= 0.5)


class House(Row):
    rooms: Col[int]
    price: Col[float]


houses = Model("houses", House, label=House.price)


@houses.train
def fit_houses(rows: pl.DataFrame, seed: int) -> LogisticRegression:
    return LogisticRegression(random_state=seed)


@houses.predict
def predict_houses(model: LogisticRegression, rows: pl.DataFrame) -> list[float]:
    return [1.0 for _ in rows["rooms"]]


houses.ship(metrics.mae <= 10)
