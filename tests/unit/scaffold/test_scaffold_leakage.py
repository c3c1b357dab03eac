"""Columns that know the answer are found, and honest ones are left in peace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from treadle.scaffold.leakage import power
from treadle.scaffold.plan import ModelPlan

Guessed = Callable[..., ModelPlan]
N = 1000
RNG = np.random.default_rng(3)
X = RNG.normal(size=N)
Y = np.round(X + RNG.normal(size=N), 6)
GROUP = RNG.choice(["red", "green", "blue"], N)


def found(plan: ModelPlan) -> dict[str, tuple[str, bool]]:
    return {s.column: (s.evidence, s.sure) for s in plan.suspects}


def test_parts_that_add_up_to_the_target(guessed: Guessed) -> None:
    casual, registered = RNG.integers(0, 100, N), RNG.integers(0, 900, N)
    frame = pl.DataFrame({"x": X, "casual": casual, "registered": registered, "cnt": casual + registered})
    plan = guessed(frame, "cnt")
    told = ("cnt = casual + registered, exactly", True)
    assert found(plan) == {"casual": told, "registered": told}
    assert [c.attribute for c in plan.features] == ["x"]


def test_factors_of_the_target(guessed: Guessed) -> None:
    price, pieces = RNG.uniform(1, 9, N).round(2), RNG.integers(1, 20, N)
    plan = guessed(pl.DataFrame({"x": X, "price": price, "pieces": pieces, "total": price * pieces}), "total")
    assert set(found(plan)) == {"price", "pieces"}
    assert all(evidence == "total = pieces * price, exactly" and sure for evidence, sure in found(plan).values())


@pytest.mark.parametrize(
    ("column", "evidence"),
    [
        (Y, "is y itself"),
        (np.exp(Y), "puts all rows in the very order of y"),
        (-3 * Y**3, "puts all rows in the very order of y"),
        (Y * 2 + 1, "y = -0.5 + 0.5 * leak, exactly"),
    ],
)
def test_copies_of_a_number(guessed: Guessed, column: Any, evidence: str) -> None:
    told, sure = found(guessed(pl.DataFrame({"x": X, "leak": column, "y": Y}), "y"))["leak"]
    assert sure
    assert told == evidence or told.startswith("puts all rows")


def test_codes_of_a_class(guessed: Guessed) -> None:
    codes = [{"red": 7, "green": 3, "blue": 5}[g] for g in GROUP]
    plan = guessed(pl.DataFrame({"x": X, "code": codes, "y": GROUP}), "y")
    assert found(plan) == {"code": ("each of its 3 values goes with one value of y", True)}


def test_a_column_that_is_almost_the_answer_is_kept_and_told(guessed: Guessed) -> None:
    late = RNG.random(N) < 0.4
    almost = late ^ (RNG.random(N) < 0.005)
    plan = guessed(pl.DataFrame({"x": X, "note": np.where(almost, "a", "b"), "late": late}), "late")
    evidence, sure = found(plan)["note"]
    assert evidence.startswith("predicts late alone with an AUC of 0.99")
    assert not sure
    assert "note" in [c.attribute for c in plan.features]


def test_times_that_lie_after_the_row(guessed: Guessed) -> None:
    start = [datetime(2024, 1, 1) + timedelta(hours=3 * i) for i in range(N)]
    closed = [t + timedelta(minutes=int(m)) for t, m in zip(start, RNG.integers(1, 500, N), strict=True)]
    plan = guessed(pl.DataFrame({"x": X, "opened": start, "closed": closed, "y": Y}), "y")
    assert found(plan) == {"closed": ("lies after the time of its row, so that it is known only later", True)}


def test_names_that_sound_late(guessed: Guessed) -> None:
    frame = pl.DataFrame({"x": X, "dep_delay": RNG.normal(size=N), "fare_rounded": RNG.normal(size=N), "fare": Y})
    assert found(guessed(frame, "fare")) == {
        "dep_delay": ("its name has the word 'delay': is it known before fare?", False),
        "fare_rounded": ("is named after fare: is it made of it?", False),
    }


def test_honest_columns_are_no_suspects(guessed: Guessed) -> None:
    frame = pl.DataFrame({"x": X, "group": GROUP, "id": range(N), "n": RNG.integers(0, 9, N), "y": Y})
    assert found(guessed(frame, "y")) == {}
    few = pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 4.0], "y": [1.0, 2.0, 3.5]})
    assert found(guessed(few, "y")) == {}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_power_of_noise_is_none_and_of_the_answer_is_all(task: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, {"binary": 2, "multiclass": 4, "regression": 20}[task], 4000)
    codes = y.astype(np.float64)
    assert abs(power(pl.Series(rng.normal(size=4000)), codes, task)) < 0.1
    assert power(pl.Series(y), codes, task) > 0.999
    assert power(pl.Series([f"v{v}" for v in y]), codes, task) > 0.999
