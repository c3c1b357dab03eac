"""Decisions with their reasons: task, key, time, columns, rules, names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from treadle.domain.errors import InvalidInput
from treadle.scaffold.names import attribute_names, class_name, model_name, variable_name
from treadle.scaffold.plan import ModelPlan, PlannedColumn, Role

Guessed = Callable[..., ModelPlan]
N = 2000


def frame(**columns: Any) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    base = {"x": rng.normal(size=N).round(4), "z": rng.exponential(size=N).round(4)}
    return pl.DataFrame(base | columns)


def column(plan: ModelPlan, attribute: str) -> PlannedColumn:
    return next(c for c in plan.columns if c.attribute == attribute)


def decided(plan: ModelPlan, subject: str) -> tuple[str, str]:
    return next((d.choice, d.reason) for d in plan.decisions if d.subject == subject)


def out(plan: ModelPlan) -> dict[str, str]:
    return {left.column: left.reason for left in plan.left_out}


SOME = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("values", "task", "kind"),
    [
        (SOME.choice(["yes", "no"], N), "binary", "bool"),
        (SOME.choice(["good", "bad"], N, p=[0.8, 0.2]), "binary", "bool"),
        (SOME.integers(0, 2, N), "binary", "bool"),
        (SOME.integers(0, 2, N) + 0.0, "binary", "bool"),
        (SOME.choice(["red", "green", "blue"], N), "multiclass", "str"),
        (SOME.integers(0, 10, N), "multiclass", "int"),
        (SOME.integers(1, 4, N) + 0.0, "multiclass", "int"),
        (SOME.poisson(40, N), "regression", "float"),
        (SOME.normal(size=N), "regression", "float"),
        (SOME.choice([10, 20, 30], N), "regression", "float"),
    ],
)
def test_task(guessed: Guessed, values: Any, task: str, kind: str) -> None:
    plan = guessed(frame(y=values), "y")
    assert (plan.label.task, plan.label.type) == (task, kind)
    assert plan.columns[-1].role is Role.LABEL


def test_which_value_means_true(guessed: Guessed) -> None:
    plan = guessed(frame(y=SOME.choice(["good", "bad"], N, p=[0.8, 0.2])), "y")
    assert plan.label.reason == "y has two values; true means bad, the rarer of the two"
    assert np.nanmean(plan.label.target.codes) < 0.5


def test_a_task_that_is_said(guessed: Guessed) -> None:
    counts = SOME.integers(0, 5, N)
    assert guessed(frame(y=counts), "y", task="regression").label.task == "regression"
    assert guessed(frame(y=counts), "y").label.task == "multiclass"
    with pytest.raises(InvalidInput, match="no task 'ranking'"):
        guessed(frame(y=counts), "y", task="ranking")
    with pytest.raises(InvalidInput, match="5 values, not two"):
        guessed(frame(y=counts), "y", task="binary")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a"] * N, "is 'a' in every row"),
        ([None] * N, "has no value in any row"),
        ([f"text {i}" for i in range(N)], "2,000 different values"),
        ([datetime(2024, 1, 1) + timedelta(days=i) for i in range(N)], "holds times"),
    ],
)
def test_targets_that_cannot_be_learned(guessed: Guessed, values: list[Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        guessed(frame(y=values), "y")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "hint"), [("Y", "did you mean y?"), ("ccount", "did you mean count?"), ("w", "its columns are")]
)
def test_a_wrong_target_is_told_with_near_ones(guessed: Guessed, name: str, hint: str) -> None:  # fmt: skip
    with pytest.raises(InvalidInput, match="has no column") as caught:
        guessed(frame(y=SOME.normal(size=N), count=SOME.normal(size=N)), name)
    assert hint in caught.value.hint


def test_no_target(guessed: Guessed) -> None:
    with pytest.raises(InvalidInput, match="which column") as caught:
        guessed(frame(y=SOME.normal(size=N)), None)
    assert "x, z, y" in caught.value.hint


def test_key(guessed: Guessed) -> None:
    y = SOME.normal(size=N)
    assert decided(guessed(frame(ride_id=[f"r{i}" for i in range(N)], y=y), "y"), "key")[0] == "ride_id"
    assert decided(guessed(frame(n=range(N), y=y), "y"), "key") == ("n", "it numbers the rows")
    assert decided(guessed(frame(many=SOME.permutation(N) * 7, y=y), "y"), "key")[0] == "none"
    assert decided(guessed(frame(many=SOME.permutation(N) * 7, y=y), "y", key="many"), "key") == ("many", "you said so")
    with pytest.raises(InvalidInput, match="is no key: 1 stands in 1,000 rows"):
        guessed(frame(half=[1] * 1000 + list(range(2, 1002)), y=y), "y", key="half")


def hours(count: int = N) -> list[datetime]:
    return [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(count)]


def test_time_and_what_is_told_by_it(guessed: Guessed) -> None:
    plan = guessed(frame(at=hours(), y=SOME.normal(size=N)), "y")
    assert decided(plan, "time") == ("at", "the only column of times; 2024-01-01 to 2024-03-24")
    assert decided(plan, "zone")[0] == "UTC"
    assert [c.attribute for c in plan.columns] == ["x", "z", "at", "hour", "weekday", "y"]
    assert plan.known_after == timedelta(days=1)


def test_times_that_name_a_zone_need_no_guess(guessed: Guessed) -> None:
    plan = guessed(frame(at=[f"{t:%Y-%m-%dT%H:%M:%S}+02:00" for t in hours()], y=SOME.normal(size=N)), "y")
    assert plan.time is not None
    assert plan.time.first == datetime(2023, 12, 31, 22, tzinfo=UTC)
    assert "zone" not in [d.subject for d in plan.decisions]


def test_the_earlier_of_two_times_and_when_a_label_is_known(guessed: Guessed) -> None:
    later = [t + timedelta(hours=5, minutes=i % 60) for i, t in enumerate(hours())]
    plan = guessed(frame(landed=later, departs=hours(), y=SOME.normal(size=N)), "y")
    assert decided(plan, "time")[0] == "departs"
    assert out(plan) == {"landed": "lies after the time of its row, so that it is known only later"}
    assert plan.known_after == timedelta(hours=6)


def test_a_day_and_an_hour_make_a_time(guessed: Guessed) -> None:
    plan = guessed(frame(day=[t.date() for t in hours()], hr=[t.hour for t in hours()], y=SOME.normal(size=N)), "y")
    assert plan.time is not None
    assert plan.time.last == datetime(2024, 3, 24, 7, tzinfo=UTC)
    assert column(plan, "hr").role is Role.FEATURE


@pytest.mark.parametrize(
    ("part", "last"), [("month", datetime(2023, 12, 1, tzinfo=UTC)), ("quarter", datetime(2023, 10, 1, tzinfo=UTC))]
)
def test_years_and_their_parts_make_a_time(guessed: Guessed, part: str, last: datetime) -> None:  # fmt: skip
    most = 12 if part == "month" else 4
    years, parts = [2000 + i * 24 // N for i in range(N)], [1 + i % most for i in range(N)]
    plan = guessed(frame(**{"year": years, part: parts, "y": SOME.normal(size=N)}), "y")
    assert plan.time is not None
    assert plan.time.last == last
    assert [c.role for c in plan.columns if c.attribute in ("starts", "year")] == [Role.TIME, Role.FEATURE]


def test_a_birthday_is_not_when_a_prediction_is_asked_for(guessed: Guessed) -> None:
    plan = guessed(frame(birthdate=hours(), y=SOME.normal(size=N)), "y")
    assert plan.time is None
    assert out(plan)["birthdate"].startswith("it is a time")


def test_a_time_that_is_said(guessed: Guessed) -> None:
    y = SOME.normal(size=N)
    assert decided(guessed(frame(born=hours(), y=y), "y", time="born"), "time")[0] == "born"
    with pytest.raises(InvalidInput, match="holds no times"):
        guessed(frame(y=y), "y", time="x")
    with pytest.raises(InvalidInput, match="is the target and the time"):
        guessed(frame(y=y), "y", time="y")


def test_columns_that_are_left_out(guessed: Guessed) -> None:
    plan = guessed(
        frame(
            empty=[None] * N,
            same=["de"] * N,
            note=[f"words {i % 1700}" for i in range(N)],
            customer_id=[i * 13 % 1500 for i in range(N)],
            again=frame()["x"],
            y=SOME.normal(size=N),
        ),
        "y",
    )
    assert out(plan) == {
        "empty": "no row has a value",
        "same": "it is 'de' in every row",
        "note": "it is text with 1,700 values in 2,000 rows: an identifier, or free text",
        "customer_id": "it identifies rows, and says nothing of new ones",
        "again": "it repeats x",
    }


def test_nothing_left_to_learn_from(guessed: Guessed) -> None:
    with pytest.raises(InvalidInput, match=r"nothing is left .* same: it is 1 in every row"):
        guessed(pl.DataFrame({"same": [1] * 50, "y": SOME.normal(size=50)}), "y")


def test_rules(guessed: Guessed) -> None:
    gaps = [None if i % 10 == 0 else i / 7 for i in range(N)]
    plan = guessed(
        frame(
            hour=[i % 24 for i in range(N)],
            stars=SOME.integers(1, 6, N),
            price=SOME.uniform(0, 90, N),
            degrees=SOME.uniform(-10, 30, N),
            part=SOME.random(N),
            humidity=SOME.uniform(20, 99, N),
            gaps=gaps,
            flagged=[None if i % 10 == 0 else i % 3 == 0 for i in range(N)],
            town=SOME.choice(["Bonn", "Ulm", "Gera"], N),
            rare=["a"] * (N - 1) + ["b"],
            y=SOME.normal(size=N),
        ),
        "y",
    )
    rules = {c.attribute: dict(c.rules) for c in plan.columns}
    assert rules["hour"] == {"ge": 0, "le": 23}
    assert rules["stars"] == {"ge": 1, "le": 5}
    assert rules["price"] == {"ge": 0, "le": 180}
    assert rules["degrees"] == {"ge": -50, "le": 70}
    assert rules["part"] == {"ge": 0, "le": 1}
    assert rules["humidity"] == {"ge": 0, "le": 100}
    assert rules["gaps"] == {"ge": 0, "le": 580, "nulls": 0.2}
    assert rules["flagged"] == {"ge": 0, "le": 1, "nulls": 0.2}
    assert rules["town"] == {"one_of": ["Bonn", "Gera", "Ulm"], "slice": True}
    assert rules["rare"] == {}
    assert (column(plan, "flagged").type, column(plan, "flagged").nullable) == ("float", True)


def test_labels_that_are_missing_are_told(guessed: Guessed) -> None:
    plan = guessed(frame(y=[None if i % 4 == 0 else float(i % 17) * 1.1 for i in range(N)]), "y")
    assert "500 rows (25 %) have no label and train nothing" in plan.notes
    assert not column(plan, "y").nullable


def test_small_tables_get_larger_shares_to_test_on(guessed: Guessed) -> None:
    assert guessed(frame(y=SOME.normal(size=N)), "y").split == (0.15, 0.25)
    small = guessed(frame(y=SOME.normal(size=N)).head(70), "y")
    assert small.split == (0.3, 0.35)
    assert small.candidate == "linear"
    tiny = guessed(frame(y=SOME.normal(size=N)).head(20), "y")
    assert any("20 labelled rows are too few" in note for note in tiny.notes)


def test_the_first_gate_lies_between_a_constant_and_a_linear_model(guessed: Guessed) -> None:
    plan = guessed(frame(y=frame()["x"] * 2 + SOME.normal(size=N)), "y")
    assert plan.gate.linear is not None
    assert plan.gate.linear < plan.gate.value < plan.gate.constant
    noise = guessed(frame(y=np.random.default_rng(5).normal(size=N)), "y").gate
    assert noise.value == pytest.approx(noise.constant, rel=0.02)


def test_names_of_attributes() -> None:
    columns = [
        "price",
        "Price (EUR)",
        "class",
        "a b",
        "a-b",
        "_x",
        "1960",
        "é",
        "名",
        "self",
        "date",
        "",
        "x",
        "x_duplicated_0",
    ]
    assert attribute_names(columns) == {
        "price": "price",
        "Price (EUR)": "price_eur",
        "class": "class_",
        "a b": "a_b",
        "a-b": "a_b_2",
        "_x": "x_2",
        "1960": "column_1960",
        "é": "é",
        "名": "名",
        "self": "self_",
        "date": "date_",
        "": "column_12",
        "x": "x",
        "x_duplicated_0": "x_3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "name", "variable", "row"),
    [
        ("rides", "rides", "rides", "Ride"),
        ("Bike Rides 2024", "bike_rides_2024", "bike_rides_2024", "BikeRides2024"),
        ("deliveries", "deliveries", "deliveries", "Delivery"),
        ("diabetes", "diabetes", "diabetes", "Diabetes"),
        ("rows", "rows", "rows_model", "RowRow"),
        ("class", "class", "class_model", "Class"),
        ("2013", "model_2013", "model_2013", "Model2013"),
        ("名", "model", "model", "ModelRow"),
    ],
)
def test_names_of_models(file: str, name: str, variable: str, row: str) -> None:
    assert (model_name(file), variable_name(model_name(file)), class_name(model_name(file))) == (name, variable, row)


def test_columns_are_renamed_and_it_is_told(guessed: Guessed) -> None:
    plan = guessed(frame(**{"Price (EUR)": SOME.normal(size=N), "class": SOME.choice(["a", "b", "c"], N)}), "class")
    assert plan.renamed == {"Price (EUR)": "price_eur", "class": "class_"}
