"""The flights example as its author would test it: the decorated functions are called as what they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType

import polars as pl
import pytest

from treadle import Window
from treadle.data.rules import check_look_ahead, check_rules, conform
from treadle.spec.model_spec import ModelSpec

START, AS_OF = datetime(2013, 2, 20, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def flights(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("flights")


@pytest.fixture(scope="module")
def rows(flights: ModuleType) -> pl.DataFrame:
    return flights.departures(Window(START, AS_OF, AS_OF)).collect()


def test_it_declares_a_binary_model_by_worth(flights: ModuleType) -> None:
    spec = flights.flights.spec()
    assert (spec.task, spec.key, spec.time, spec.threshold) == ("binary", "flight_id", "departs", "worth")
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_its_rows_keep_its_own_rules_and_tell_no_future(flights: ModuleType, rows: pl.DataFrame) -> None:
    spec = flights.flights.spec()
    frame, findings = conform(rows, spec)
    assert findings == []
    assert check_rules(frame, spec, AS_OF) == []
    outcomes = flights.arrivals(Window(None, AS_OF, AS_OF)).collect()
    assert check_look_ahead(frame, outcomes, spec, AS_OF) == []
    assert flights.every_airport_reports(rows)
    assert not flights.every_airport_reports(rows.filter(pl.col("origin") != "JFK"))


def test_labels_are_there_where_the_plane_had_landed(flights: ModuleType, rows: pl.DataFrame) -> None:
    assert rows["departs"].min() >= START
    assert rows["departs"].max() < AS_OF
    earlier = flights.departures(Window(START, AS_OF, AS_OF - timedelta(days=1))).collect()
    assert earlier["flight_id"].equals(rows["flight_id"])
    after = earlier.filter(pl.col("departs") >= AS_OF - timedelta(days=1))
    assert after.height > 500
    assert after["late"].null_count() == after.height
    assert earlier["late"].null_count() > rows["late"].null_count() > 0


def test_outcomes_are_those_of_the_planes_that_landed_in_the_window(flights: ModuleType) -> None:
    told = flights.arrivals(Window(START, START + timedelta(hours=6), AS_OF)).collect()
    assert told.height > 50
    assert told["observed_at"].min() > START
    assert told["observed_at"].max() <= START + timedelta(hours=6)
    assert told["key"].is_unique().all()


def test_a_fitted_model_tells_late_from_punctual(flights: ModuleType, rows: pl.DataFrame) -> None:
    known = rows.drop_nulls("late")
    model = flights.fit(known, flights.Params(max_iter=50))
    score = model.predict_proba(known)[:, 1]
    assert model.classes_.tolist() == [False, True]
    assert score[known["late"]].mean() > score[~known["late"]].mean() + 0.1


@pytest.mark.parametrize(("flagged", "late", "dollars"), [(True, True, 120), (True, False, -30), (False, True, 0)])
def test_worth_is_of_flagged_flights_alone(flights: ModuleType, flagged: bool, late: bool, dollars: float) -> None:
    flight = flights.Flight(
        flight_id="UA1", departs=AS_OF, carrier="UA", origin="EWR", dest="ORD", distance=719.0, departure_minute=600,
        arrival_minute=720, weekday=5, temp=None, dewp=None, humid=None, wind_dir=None, wind_speed=None,
        wind_gust=None, precip=None, pressure=None, visib=None, late=late,
    )  # fmt: skip
    assert flights.worth(flight, flagged, late) == dollars
