from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from treadle.data.splits import split
from treadle.domain.errors import DataRejected, InvalidInput
from treadle.spec.model_spec import ColumnSpec, ModelSpec, SplitSpec

MakeSpec = Callable[..., ModelSpec]
MakeRows = Callable[..., pl.DataFrame]


def test_by_time_cuts_at_midnight(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    parts = split(make_spec(), make_rows(), as_of)
    mature = as_of - timedelta(days=2)
    for part in (parts.validation, parts.test):
        first = part["at"][0]
        assert (first.hour, first.minute) == (0, 0)
    assert parts.train["at"].max() < parts.validation["at"].min()
    assert parts.validation["at"].max() < parts.test["at"].min()
    assert parts.test["at"].max() <= mature
    assert parts.test.height == pytest.approx(0.25 * 780, abs=10)
    assert parts.validation.height == pytest.approx(0.15 * 780, abs=10)
    assert parts.immature == 19
    assert parts.unlabelled == 0


def test_parts_in_seconds(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    week = timedelta(days=7).total_seconds()
    spec = make_spec(split=SplitSpec(validation=week, test=2 * week, in_seconds=True))
    parts = split(spec, make_rows(), as_of)
    assert parts.test.height == pytest.approx(140, abs=10)
    assert parts.validation["at"][0] + timedelta(days=7) == parts.test["at"][0]
    with pytest.raises(InvalidInput, match="no time column"):
        split(make_spec(time=None, split=SplitSpec(1, 1, in_seconds=True)), make_rows(), as_of)


def test_late_labels_are_counted(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    never = pl.int_range(pl.len()) < 7
    rows = make_rows().with_columns(returned=pl.when(never).then(None).otherwise("returned"))
    parts = split(make_spec(), rows, as_of)
    assert parts.unlabelled == 7
    assert parts.train.height + parts.validation.height + parts.test.height + 7 + parts.immature == rows.height


def test_one_day_is_cut_by_the_hour(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    day = make_rows(days=1, per_day=10).select(pl.all().repeat_by(20).list.explode())
    parts = split(make_spec(horizon=None), day.with_columns(returned=pl.int_range(pl.len()) % 2 == 0), as_of)
    assert parts.train["at"].max() < parts.validation["at"].min()
    assert parts.validation["at"].max() < parts.test["at"].min()


def test_too_few_rows(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    with pytest.raises(DataRejected, match=r"11 labelled rows are old enough; of 30 rows 19 are immature"):
        split(make_spec(), make_rows(days=3), as_of)
    with pytest.raises(DataRejected, match="the test part has"):
        split(make_spec(split=SplitSpec(0.2, 0.001)), make_rows(per_day=2), as_of)
    with pytest.raises(DataRejected, match="every training row has the label True"):
        split(make_spec(), make_rows().with_columns(returned=pl.lit(value=True)), as_of)


def test_without_a_time_rows_keep_their_part(make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime) -> None:
    spec, rows = make_spec(time=None), make_rows().drop_nulls("returned")
    fewer, more = split(spec, rows.head(400), as_of), split(spec, rows, as_of)
    assert set(fewer.test["visit"]) <= set(more.test["visit"])
    assert set(fewer.train["visit"]) <= set(more.train["visit"])
    assert more.test.height == pytest.approx(0.25 * rows.height, rel=0.25)
    reseeded = split(make_spec(time=None, seed=1), rows, as_of)
    assert set(reseeded.test["visit"]) != set(more.test["visit"])
    keyless = split(make_spec(time=None, key=None), pl.concat([rows, rows]), as_of)
    assert set(keyless.test["visit"]).isdisjoint(keyless.train["visit"])


@pytest.mark.parametrize("rows", [30, 32, 51, 70])
@pytest.mark.parametrize("shares", [(0.15, 0.25), (0.3, 0.35)])
def test_a_small_table_without_times_has_rows_in_every_part(rows: int, shares: tuple[float, float]) -> None:
    frame = pl.DataFrame({"x": [float(i) for i in range(rows)], "y": [float(i % 7) for i in range(rows)]})
    columns = (ColumnSpec("x", "float"), ColumnSpec("y", "float"))
    for seed in range(20):
        spec = ModelSpec("m", "", "Row", columns, "y", "regression", split=SplitSpec(*shares), seed=seed)
        parts = split(spec, frame, datetime(2024, 1, 1, tzinfo=UTC))
        assert min(parts.train.height, parts.validation.height, parts.test.height) >= 10
        assert sorted(pl.concat([parts.train, parts.validation, parts.test])["x"]) == frame["x"].to_list()


def test_equal_rows_of_a_small_table_stay_together() -> None:
    frame = pl.DataFrame({"x": [float(i // 2) for i in range(60)], "y": [float(i // 2) for i in range(60)]})
    spec = ModelSpec("m", "", "Row", (ColumnSpec("x", "float"), ColumnSpec("y", "float")), "y", "regression")
    parts = split(spec, frame, datetime(2024, 1, 1, tzinfo=UTC))
    found = [set(part["x"]) for part in (parts.train, parts.validation, parts.test)]
    assert len(set.union(*found)) == sum(map(len, found))
