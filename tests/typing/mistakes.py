"""Mistakes that both mypy and pyright report, each on its marked line. Never run."""
# ruff: noqa: B015, B018

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from treadle import (
    Col,
    Model,
    Row,
    Run,
    Trial,
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

NOW = datetime(2013, 1, 1, tzinfo=UTC)


class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    origin: Col[str] = col(one_of=["EWR", "JFK"], slice=True)
    distance: Col[float] = col(ge=0)
    pressure: Col[float | None] = col(nulls=0.25)
    late: Col[bool]


flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late)


@dataclass
class Params:
    rate: float = tune(0.1, low=0.01, high=0.3)


class Estimator: ...


# columns
metrics.recall.worst(Flight.orign)  # caught: misspelt column
Model("a", Flight, label=Flight.lat)  # caught: misspelt column
Model("b", Flight, label=Flight.late, key="flight_id")  # caught: column as a string
Model("c", Flight, label=Flight.late, time=Flight.origin)  # caught: a time that is no datetime
Model("d", Flight, label=Flight.pressure)  # caught: label that may be missing
metrics.auc.slice(Flight.origin)  # caught: a column where a slice is meant
metrics.auc.slice(Flight.origin == 3)  # caught: slice by a value of another type
distance: Col[float] = col(ge="0")  # caught: string bound
distance = col(nulls="a quarter")  # caught: string share


def shifted(row: Flight) -> float:
    return row.pressure * 2  # caught: arithmetic on a nullable column


def misread(row: Flight) -> float:
    return row.distanse  # caught: misspelt column of a row


Flight(flight_id="UA-1", departs=NOW, origin="EWR", distance=1, pressure=None)  # caught: row without a column
Flight(flight_id=1, departs=NOW, origin="EWR", distance=1, pressure=None, late=True)  # caught: wrong value

# metrics and gates
metrics.acu >= 0.5  # caught: misspelt metric
metrics.auc >= "0.58"  # caught: string threshold
metrics.latency_p99 <= 20  # caught: int as a duration
metrics.size <= timedelta(seconds=1)  # caught: duration as a size
metrics.auc.beats_champion(0.95)  # caught: confidence without its name
metrics.auc.not_worse_than_champion()  # caught: no margin
metrics.latency_p99.beats_champion()  # caught: comparison of a measurement
metrics.auc >= metrics.recall  # caught: metric against metric
metrics.auc >= 0.5 & metrics.recall >= 0.5  # caught: & without parentheses
(metrics.auc >= 0.5) & True  # caught: bare bool inside a gate
flights.ship(True)  # caught: bare bool as a gate
flights.ship(0.58)  # caught: number as a gate
flights.ship(metrics.auc)  # caught: metric as a gate
flights.ship(gate_broken())  # caught: trigger as a gate
flights.ship(age(days(30)))  # caught: trigger as a gate

# policies
age(30)  # caught: int as a duration
shadow(2)  # caught: int as a duration
canary(5, 100, hold=1)  # caught: int as a duration
canary(5, 100)  # caught: canary without hold
days("2")  # caught: string as a number
by_time(validation=days(14), test=0.2)  # caught: duration and share
Model("e", Flight, label=Flight.late, horizon=2)  # caught: int as a duration
Model("f", Flight, label=Flight.late, threshold="profit")  # caught: string threshold of decisions
Model("g", Flight, label=Flight.late, objective="auc")  # caught: string as an objective
flights.ship(retrain=[metrics.auc >= 0.5, True])  # caught: bare bool as a trigger
flights.ship(retrain=gate_broken())  # caught: trigger outside of a list
flights.ship(rollout=[canary(5, hold=days(1)), 25])  # caught: number as a rollout
tune(0.1, low="0.01", high=0.3)  # caught: string bound of a search
tune(0.1, low=0.01)  # caught: search with one bound
rounds: int = tune(1.5, low=1.0, high=2.0)  # caught: float search of an int
name: str = tune("a", choices=["a", 1])  # caught: choices of another type


# functions
@flights.source  # caught: wrong return of a source
def source_of_a_number(window: Window) -> int:
    return 1


@flights.source  # caught: wrong arity of a source
def source_of_everything() -> pl.LazyFrame:
    return pl.LazyFrame()


@flights.source  # caught: source from rows
def source_from_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


@flights.outcomes  # caught: wrong return of outcomes
def outcomes_of_text(window: Window) -> str:
    return ""


@flights.check  # caught: wrong return of a check
def check_of_text(rows: pl.DataFrame) -> str:
    return ""


@flights.check  # caught: check of a number
def check_of_a_number(rows: int) -> bool:
    return True


@flights.features  # caught: wrong return of features
def features_of_nothing(rows: pl.DataFrame) -> None:
    return None


@flights.train  # caught: swapped fit(params, rows)
def fit_swapped(params: Params, rows: pl.DataFrame) -> Estimator:
    return Estimator()


@flights.train  # caught: wrong arity of fit
def fit_from_nothing() -> Estimator:
    return Estimator()


@flights.train  # caught: params that are no dataclass
def fit_with_a_number(rows: pl.DataFrame, params: float) -> Estimator:
    return Estimator()


@flights.train
def fit(rows: pl.DataFrame, params: Params, trial: Trial) -> Estimator:
    trial.report("good", 1)  # caught: text as a value
    params.rat  # caught: misspelt parameter
    return Estimator()


@flights.predict  # caught: wrong arity of predict
def predict_without_model(rows: pl.DataFrame) -> list[float]:
    return []


@flights.predict  # caught: wrong return of predict
def predict_text(model: Estimator, rows: pl.DataFrame) -> str:
    return ""


@flights.worth  # caught: wrong arity of worth
def worth_without_label(row: Flight, flagged: bool) -> float:
    return 1


@flights.worth  # caught: wrong return of worth
def worth_of_text(row: Flight, flagged: bool, late: bool) -> str:
    return ""


@flights.worth  # caught: a decision of another type
def worth_of_text_decision(row: Flight, flagged: str, late: bool) -> float:
    return 1


@flights.worth
def worth(row: Flight, flagged: bool, late: bool) -> float:
    return 1


def call(row: Flight) -> float:
    return worth(row=row, flaged=True, late=True)  # caught: misspelt parameter of a declared function


def log(run: Run) -> None:
    run.log(loss="low")  # caught: a text as a metric
    run.log(loss=1.0, step="first")  # caught: a text as a step
    run.finish("done")  # caught: an end that there is not
    run.names  # caught: misspelt attribute of a run
