"""The bikes example as its author would test it: the decorated functions are called as what they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pandas as pd
import polars as pl
import pytest

from treadle import Window
from treadle.app.demo import STORIES
from treadle.data.rules import check_look_ahead, check_rules, conform
from treadle.spec.model_spec import ModelSpec

START, AS_OF = datetime(2011, 7, 3, tzinfo=UTC), datetime(2011, 10, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def bikes(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("bikes")


@pytest.fixture(scope="module")
def rows(bikes: ModuleType) -> pd.DataFrame:
    return bikes.ridership(Window(START, AS_OF, AS_OF))


def as_polars(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({name: frame[name].to_list() for name in frame.columns})


def a_row(bikes: ModuleType) -> object:
    return bikes.Hour(
        at=AS_OF, hour=20, weekday=5, working_day=True, holiday=False, season="winter", weather="Clear",
        temp=20.0, felt=19.0, humidity=None, wind=0.0, rentals=10.0,
    )  # fmt: skip


def test_it_declares_a_regression_without_a_key(bikes: ModuleType) -> None:
    spec = bikes.bikes.spec()
    assert (spec.task, spec.key, spec.time, spec.objective) == ("regression", None, "at", "mae")
    assert spec.window == timedelta(days=90)
    assert spec.source is not None
    assert spec.source.frame == "pandas"
    assert [str(gate) for gate in spec.gates][:2] == ["mae <= 100", "mae.beats_champion(confidence=0.8)"]
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_its_rows_keep_its_own_rules_and_tell_no_future(bikes: ModuleType, rows: pd.DataFrame) -> None:
    spec = bikes.bikes.spec()
    frame, findings = conform(as_polars(rows), spec)
    assert findings == []
    assert check_rules(frame, spec, AS_OF) == []
    outcomes = as_polars(bikes.counts(Window(None, AS_OF, AS_OF)))
    assert check_look_ahead(frame, outcomes, spec, AS_OF) == []
    assert bikes.most_hours_are_there(rows)
    assert not bikes.most_hours_are_there(rows.iloc[::2])


def test_the_window_bounds_hours_and_as_of_their_labels(bikes: ModuleType, rows: pd.DataFrame) -> None:
    assert rows["at"].min() == START
    assert rows["at"].max() == AS_OF - timedelta(hours=1)
    assert not rows["rentals"].isna().any()
    early = bikes.ridership(Window(START, AS_OF, AS_OF - timedelta(hours=5)))
    assert early["at"].equals(rows["at"])
    assert early["rentals"].isna().sum() == 5


def test_outcomes_are_those_of_the_hours_that_ended_in_the_window(bikes: ModuleType) -> None:
    told = bikes.counts(Window(AS_OF - timedelta(hours=2), AS_OF, AS_OF))
    assert told["observed_at"].to_list() == [AS_OF - timedelta(hours=1), AS_OF]
    assert (told["observed_at"] - told["at"] == timedelta(hours=1)).all()
    assert told["rentals"].to_list() == [511, 374]


def test_local_hours_become_utc_where_clocks_change(bikes: ModuleType) -> None:
    """At 02:00 clocks go on to 03:00 in March; of the two hours from 01:00 in November the data has the first."""
    spring = bikes.ridership(Window(*(datetime(2012, 3, 11, hour, tzinfo=UTC) for hour in (5, 9)), AS_OF))
    assert spring[["hour"]].assign(at=spring["at"].dt.hour).to_numpy().tolist() == [[0, 5], [1, 6], [3, 7], [4, 8]]
    autumn = bikes.ridership(Window(*(datetime(2012, 11, 4, hour, tzinfo=UTC) for hour in (4, 9)), AS_OF))
    assert autumn[["hour"]].assign(at=autumn["at"].dt.hour).to_numpy().tolist() == [[0, 4], [1, 5], [2, 7], [3, 8]]


def test_its_story_lies_inside_its_data(bikes: ModuleType) -> None:
    story = STORIES["bikes"]
    hours = bikes._hours()["at"]
    assert hours.min() + bikes.bikes.spec().window < story.since
    assert story.until <= hours.max() + timedelta(hours=1)


def test_a_humidity_of_zero_is_a_broken_sensor(bikes: ModuleType) -> None:
    day = datetime(2011, 3, 10, 5, tzinfo=UTC)
    rows = bikes.ridership(Window(day, day + timedelta(days=1), AS_OF))
    assert rows["humidity"].isna().all()


@pytest.mark.parametrize(
    ("ready", "rented", "dollars"), [(10, 10, 10), (10, 4, -2), (4, 10, 4), (0, 10, 0), (-3, 5, 0)]
)
def test_worth_is_two_a_rental_less_one_a_bike_made_ready(
    bikes: ModuleType, ready: float, rented: float, dollars: float
) -> None:
    assert bikes.worth(a_row(bikes), ready, rented) == dollars
