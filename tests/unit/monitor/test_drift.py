from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from treadle.evaluation.profiling import profile
from treadle.monitor.drift import column_drift
from treadle.monitor.reading import as_declared
from treadle.spec.model_spec import ColumnSpec
from treadle.stats.blocks import Blocks

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMNS = [ColumnSpec("origin", "str"), ColumnSpec("distance", "float")]


def traffic(rng, days, a_day=300, shift=0.0, jfk=0.4, weather=0.0):
    """Rows of a log; ``weather`` is how far a whole day moves together."""
    rows = []
    for day in range(days):
        moved = rng.normal(0, weather) if weather else 0.0
        rows += [
            {
                "key": f"{day}-{i}",
                "at": START + day * DAY + timedelta(minutes=4 * i),
                "score": float(rng.beta(2, 5)),
                "origin": "JFK" if rng.random() < jfk else "EWR",
                "distance": float(rng.normal(1000 + 300 * (shift + moved), 300)),
            }
            for i in range(a_day)
        ]
    return rows


@pytest.fixture
def trained(world):
    """A version whose training data looked like ``traffic(rng, 60)``."""
    rows = pl.DataFrame(traffic(np.random.default_rng(1), 60))
    scores = profile(rows, [ColumnSpec("score", "float")])
    return replace(world.versions.kept[1], profile=profile(rows, COLUMNS), score_profile=scores)


def report(world, trained, rows):
    world.log.answer(rows)
    return world.at(START + 8 * DAY).service().drift(world.applied, trained, START, START + 7 * DAY)


def test_no_movement_no_alert(world, trained):
    found = report(world, trained, traffic(np.random.default_rng(2), 7))
    assert [c.column for c in found.columns] == ["score", "origin", "distance"]
    assert not any(c.alert for c in found.columns)
    assert found.rows == 2100
    assert world.measurements.opened == {}


def test_movement_is_found_and_named(world, trained):
    found = report(world, trained, traffic(np.random.default_rng(2), 7, shift=1.0, jfk=0.9))
    alerts = {c.column: c for c in found.columns if c.alert}
    assert set(alerts) == {"origin", "distance"}
    assert alerts["distance"].low > 0.1
    assert alerts["origin"].expected.startswith("EWR 59%")
    assert alerts["origin"].seen.startswith("JFK 89%")
    (incident,) = world.measurements.incidents(open_only=True)
    assert incident.numbers["columns"] == 2
    assert incident.detail.startswith("origin" if alerts["origin"].effect > alerts["distance"].effect else "distance")


def test_days_that_hang_together_are_not_drift(world, trained):
    quiet = 0
    for seed in range(20):
        world.log.kept.clear()
        found = report(world, trained, traffic(np.random.default_rng(seed), 7, a_day=100, weather=0.5))
        quiet += not any(c.alert for c in found.columns)
    assert quiet >= 19


def test_two_days_are_too_few_to_alert(world, trained):
    found = report(world, trained, traffic(np.random.default_rng(2), 2, shift=2.0))
    moved = next(c for c in found.columns if c.column == "distance")
    assert moved.low > 0.1
    assert not moved.alert


def test_scores_are_those_of_the_version_alone(world, trained):
    rng = np.random.default_rng(2)
    world.log.answer([row | {"version": 2, "score": 0.99, "key": "2-" + row["key"]} for row in traffic(rng, 7)])
    found = report(world, trained, traffic(rng, 7))
    assert found.rows == 4200
    assert not found.columns[0].alert
    assert found.columns[0].column == "score"


def test_nothing_asked_nothing_reported(world, trained):
    found = world.at(START + 8 * DAY).service().drift(world.applied, trained, START, START + 7 * DAY)
    assert (found.rows, found.columns) == (0, ())
    assert world.measurements.drifted == []


def test_missing_values_and_new_categories_are_movement():
    reference = profile(pl.DataFrame({"c": ["a", "b"] * 500}), [ColumnSpec("c", "str", nullable=True)]).columns["c"]
    blocks = Blocks.of_rows(1000)
    same = column_drift(reference, pl.Series(["a", "b"] * 500), blocks)
    missing = column_drift(reference, pl.Series(["a", None] * 500), blocks)
    new = column_drift(reference, pl.Series(["a", "z"] * 500), blocks)
    assert same.low == 0
    assert missing.low > 0.1
    assert "50.0% missing" in missing.seen
    assert new.low > 0.1
    numbers = profile(pl.DataFrame({"x": [1.0, 2.0] * 500}), [ColumnSpec("x", "float")]).columns["x"]
    assert column_drift(numbers, pl.Series([1.0, 2.0] * 500), blocks).low == 0
    assert column_drift(numbers, pl.Series([1.0, 99.0] * 500), blocks).low > 0.1
    nothing = profile(pl.DataFrame({"x": [None, None]}, schema={"x": pl.Float64}), [ColumnSpec("x", "float")])
    assert column_drift(nothing.columns["x"], pl.Series([1.0] * 1000), blocks).effect >= 0


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        ("bool", ["true", "0", " Yes", "?"], [True, False, True, None]),
        ("bool", [1, 0, 2], [True, False, None]),
        ("int", [1.0, 2.5], [1, None]),
        ("int", ["7", "x"], [7, None]),
        ("float", ["1.5", "x"], [1.5, None]),
        ("str", [1, 2], ["1", "2"]),
        ("date", ["2013-03-01", "x"], [datetime(2013, 3, 1).date(), None]),
        ("datetime", ["2013-03-01T00:00:00", "2013-03-01T00:00:00Z", "x", None],
         [datetime(2013, 3, 1, 5, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC), None, None]),
    ],
)  # fmt: skip
def test_values_are_read_as_declared(kind, given, wanted):
    column = ColumnSpec("x", kind, zone="America/New_York" if kind == "datetime" else None)
    assert as_declared(pl.Series("x", given), column).to_list() == wanted


def test_naive_times_are_in_the_columns_zone():
    column = ColumnSpec("x", "datetime", zone="America/New_York")
    naive = pl.Series("x", [datetime(2013, 7, 1)])
    assert as_declared(naive, column).to_list() == [datetime(2013, 7, 1, 4, tzinfo=UTC)]
