from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from treadle.data.rules import check_look_ahead, check_rules, conform
from treadle.spec.model_spec import ColumnSpec, FunctionSpec, ModelSpec

MakeSpec = Callable[..., ModelSpec]
MakeRows = Callable[..., pl.DataFrame]


def naive(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type,misc]


def one_column(type_: str, **options: Any) -> ModelSpec:
    columns = (ColumnSpec("x", type_, nullable=True, **options), ColumnSpec("y", "bool"))
    return ModelSpec("m", "", "Row", columns, "y", "binary")


def cast(series: pl.Series, type_: str, **options: Any) -> tuple[pl.Series | None, list[str]]:
    frame = pl.DataFrame({"x": series, "y": [True] * len(series)})
    conformed, findings = conform(frame, one_column(type_, **options))
    return (conformed["x"] if "x" in conformed.columns else None), [str(f) for f in findings]


def test_clean_rows_have_no_findings(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    rows = make_rows()
    frame, findings = conform(rows.select(reversed(rows.columns)), make_spec())
    assert findings == []
    assert frame.columns == [c.name for c in make_spec().columns]
    assert check_rules(frame, make_spec(), as_of) == []


@pytest.mark.parametrize(
    ("series", "type_", "values"),
    [
        (pl.Series([1, 2], dtype=pl.Int16), "float", [1.0, 2.0]),
        (pl.Series([1.0, float("nan"), None]), "int", [1, None, None]),
        (pl.Series([1.0, float("nan")]), "float", [1.0, None]),
        (pl.Series([0, 1, None], dtype=pl.UInt8), "bool", [False, True, None]),
        (pl.Series(["a", None], dtype=pl.Categorical), "str", ["a", None]),
        (pl.Series([None, None]), "str", [None, None]),
        (pl.Series([date(2024, 1, 2)]), "date", [date(2024, 1, 2)]),
        (pl.Series([naive(2024, 1, 2)]), "date", [date(2024, 1, 2)]),
    ],
)
def test_casts_that_lose_nothing(series: pl.Series, type_: str, values: list[Any]) -> None:
    got, findings = cast(series, type_)
    assert findings == []
    assert got is not None
    assert got.to_list() == values


@pytest.mark.parametrize(
    ("series", "type_"),
    [
        (pl.Series([1.0, 2.5]), "int"),
        (pl.Series([2**53 + 1]), "float"),
        (pl.Series([2], dtype=pl.Int8), "bool"),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), "int"),
        (pl.Series([float("inf")]), "int"),
        (pl.Series([1], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")), "datetime"),
        (pl.Series([naive(2024, 1, 2, 3)]), "date"),
    ],
)
def test_casts_that_would_lose_something_are_findings(series: pl.Series, type_: str) -> None:
    _, findings = cast(series, type_)
    assert len(findings) == 1
    assert f"type {type_} without loss" in findings[0]
    assert "broken by 1 of" in findings[0]


@pytest.mark.parametrize(
    ("series", "type_", "told"),
    [
        (pl.Series([1]), "str", "type str, not Int64"),
        (pl.Series(["1"]), "int", "type int, not String"),
        (pl.Series(["true"]), "bool", "type bool, not String"),
        (pl.Series([naive(2024, 1, 2)]), "datetime", 'name its zone with col(zone="...")'),
    ],
)
def test_another_kind_is_a_finding(series: pl.Series, type_: str, told: str) -> None:
    got, findings = cast(series, type_)
    assert got is None
    assert told in findings[0]
    assert "for example x=" in findings[0]


def test_naive_times_take_their_declared_zone() -> None:
    noon = pl.Series([naive(2024, 1, 2, 12), naive(2024, 7, 2, 12)])
    got, findings = cast(noon, "datetime", zone="America/New_York")
    assert findings == []
    assert got is not None
    assert [t.isoformat() for t in got] == ["2024-01-02T17:00:00+00:00", "2024-07-02T16:00:00+00:00"]
    gap = pl.Series([naive(2024, 3, 10, 2, 30)])
    _, findings = cast(gap, "datetime", zone="America/New_York")
    assert "without loss" in findings[0]


def test_other_zones_become_utc() -> None:
    berlin = pl.Series([naive(2024, 1, 2, 12)]).dt.replace_time_zone("Europe/Berlin").dt.cast_time_unit("ns")
    got, findings = cast(berlin, "datetime")
    assert findings == []
    assert got is not None
    assert got.dtype == pl.Datetime("us", "UTC")
    assert got[0].isoformat() == "2024-01-02T11:00:00+00:00"


BROKEN: list[tuple[dict[str, Any], str, str, int]] = [
    ({"amount": -1.0}, "amount", ">= 0", 4),
    ({"items": 0}, "items", "> 0", 4),
    ({"items": 100}, "items", "< 100", 4),
    ({"shop": "east"}, "shop", "one of north, south", 4),
    ({"shop": None}, "shop", "not missing", 4),
    ({"visit": "same"}, "visit", "unique", 4),
    ({"visit": None}, "visit", "not missing", 4),
    ({"at": None}, "at", "not missing", 4),
]


@pytest.mark.parametrize(("change", "column", "rule", "count"), BROKEN)
def test_broken_rules(
    change: dict[str, Any],
    column: str,
    rule: str,
    count: int,
    make_spec: MakeSpec,
    make_rows: MakeRows,
    as_of: datetime,
) -> None:
    rows = make_rows()
    hit = pl.int_range(pl.len()) % 200 == 7
    (name, value), *_ = change.items()
    rows = rows.with_columns(pl.when(hit).then(pl.lit(value, dtype=rows.schema[name])).otherwise(name).alias(name))
    findings = check_rules(rows, make_spec(), as_of)
    assert [(f.column, f.rule, f.count, f.rows) for f in findings] == [(column, rule, count, rows.height)]
    assert len(findings[0].examples) == 3
    assert set(findings[0].examples[0]) == {"visit", "at", column}


def test_share_of_missing_values(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    rows = make_rows()
    missing = pl.lit(None, dtype=pl.Float64)
    half = rows.with_columns(age=pl.when(pl.int_range(pl.len()) % 2 == 0).then(missing).otherwise(1.0))
    assert check_rules(half, make_spec(), as_of) == []
    most = rows.with_columns(age=pl.when(pl.int_range(pl.len()) % 3 > 0).then(missing).otherwise(1.0))
    (finding,) = check_rules(most, make_spec(), as_of)
    assert (finding.column, finding.rule) == ("age", "at most 0.5 missing")


def test_rows_of_the_future(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    (finding,) = check_rules(make_rows(), make_spec(), as_of - timedelta(days=1))
    assert finding.column == "at"
    assert finding.rule == "before 2024-03-31T00:00:00+00:00"
    assert finding.count == 10


def test_look_ahead(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    spec, rows = make_spec(), make_rows()
    outcomes = rows.drop_nulls("returned").select(
        key="visit", label="returned", observed_at=pl.col("at") + timedelta(days=1)
    )
    assert check_look_ahead(rows, outcomes, spec, as_of) == []
    (finding,) = check_look_ahead(rows, outcomes, spec, as_of - timedelta(days=3))
    assert "look-ahead" in finding.rule
    assert finding.count == outcomes.filter(pl.col("observed_at") > as_of - timedelta(days=3)).height
    assert finding.examples[0].keys() == {"visit", "at", "returned"}
    turned = outcomes.with_columns(
        label=pl.when(pl.col("key") == outcomes["key"][0]).then(~pl.col("label")).otherwise("label")
    )
    (finding,) = check_look_ahead(rows, turned, spec, as_of)
    assert finding.count == 1


def test_without_a_key_the_time_tells_rows_apart(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    spec = make_spec(key=None, outcomes=FunctionSpec("returns"))
    rows = make_rows().unique("at", keep="first", maintain_order=True)
    assert check_rules(rows, spec, as_of) == []
    twice = pl.concat([rows, rows.head(1)])
    assert [(f.column, f.count) for f in check_rules(twice, spec, as_of)] == [("at", 2)]
    assert check_rules(twice, make_spec(key=None, outcomes=None), as_of) == []
    outcomes = rows.drop_nulls("returned").select(
        time="at", label="returned", observed_at=pl.col("at") + timedelta(days=1)
    )
    assert check_look_ahead(rows, outcomes, spec, as_of) == []
    (finding,) = check_look_ahead(rows, outcomes, spec, as_of - timedelta(days=3))
    assert finding.count == outcomes.filter(pl.col("observed_at") > as_of - timedelta(days=3)).height
    (finding,) = check_look_ahead(rows, outcomes.drop("time"), spec, as_of)
    assert str(finding).startswith("time: column present in outcomes")


def test_revised_outcomes_are_no_look_ahead(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    rows = make_rows()
    first = rows.drop_nulls("returned").select(key="visit", label="returned", observed_at="at")
    both = pl.concat([first, first.with_columns(~pl.col("label"))])
    assert check_look_ahead(rows, both, make_spec(), as_of) == []


def test_outcomes_without_their_columns(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    (finding,) = check_look_ahead(make_rows(), pl.DataFrame({"key": ["a"], "label": [True]}), make_spec(), as_of)
    assert str(finding).startswith("observed_at: column present in outcomes")


def test_rules_are_quick(as_of: datetime) -> None:
    n, rng = 300_000, np.random.default_rng(0)
    numbers = {f"n{i}": rng.normal(size=n) for i in range(12)}
    texts = {f"t{i}": rng.integers(0, 50, n).astype(str) for i in range(6)}
    at = pl.datetime_range(as_of - timedelta(seconds=n), as_of, "1s", closed="left", eager=True).head(n)
    frame = pl.DataFrame({"key": np.arange(n).astype(str), "at": at, **numbers, **texts, "y": rng.random(n) > 0.5})
    columns = (
        ColumnSpec("key", "str"),
        ColumnSpec("at", "datetime"),
        *(ColumnSpec(name, "float", ge=-100, lt=100, nullable=True, nulls=0.1) for name in numbers),
        *(ColumnSpec(name, "str", one_of=tuple(map(str, range(50)))) for name in texts),
        ColumnSpec("y", "bool"),
    )
    spec = ModelSpec("m", "", "Row", columns, "y", "binary", key="key", time="at")
    seconds = []
    for _ in range(3):
        started = time.process_time()
        conformed, findings = conform(frame, spec)
        findings += check_rules(conformed, spec, as_of)
        seconds.append(time.process_time() - started)
    assert findings == []
    assert min(seconds) < 1.0  # processor time of all threads; on an idle machine 0.2 s
