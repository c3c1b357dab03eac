from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from treadle.domain.errors import DataRejected, InvalidInput, StepFailed
from treadle.domain.models import AppliedModel
from treadle.domain.steps import StepKind
from treadle.spec.model_spec import FunctionSpec, ModelSpec

Apply = Callable[[ModelSpec], AppliedModel]
MakeSpec = Callable[..., ModelSpec]


def test_collect_keeps_a_snapshot(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    lines: list[str] = []
    collected = shop.service.collect(apply(make_spec()), as_of, log=lines.append)
    snapshot = collected.snapshot
    assert snapshot.rows == collected.frame.height == shop.rows.height
    assert snapshot.labelled == shop.rows["returned"].count()
    assert snapshot.as_of == snapshot.until == as_of
    assert snapshot.code_digest == "c" * 64
    assert [c.partition for c in snapshot.chunks] == ["2024-01", "2024-02", "2024-03"]
    assert snapshot.profile.columns["amount"].count == shop.rows.height
    assert shop.service.load(snapshot.digest).equals(collected.frame)
    assert shop.asked[0].arguments == {"start": None, "until": as_of.isoformat(), "as_of": as_of.isoformat()}
    assert shop.asked[0].root == "/nowhere"
    assert lines == ["step source", "step outcomes"]


def test_window_bounds_the_source(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    collected = shop.service.collect(apply(make_spec(window=timedelta(days=30))), as_of)
    assert shop.asked[0].arguments["start"] == (as_of - timedelta(days=30)).isoformat()
    assert collected.frame["at"].min() == as_of - timedelta(days=30)


def test_order_of_the_source_does_not_matter(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    first = shop.service.collect(apply(make_spec()), as_of)
    shop.rows = shop.rows.sample(fraction=1.0, shuffle=True, seed=1)
    again = shop.service.collect(apply(make_spec()), as_of)
    assert again.snapshot.digest == first.snapshot.digest
    assert again.frame.equals(first.frame)


def test_unchanged_months_are_shared(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    before = shop.service.collect(apply(make_spec()), as_of).snapshot
    shop.rows = shop.rows.with_columns(
        amount=pl.when(pl.col("at") >= as_of - timedelta(days=20)).then(99.0).otherwise("amount")
    )
    after = shop.service.collect(apply(make_spec()), as_of).snapshot
    assert after.digest != before.digest
    assert [a.blob == b.blob for a, b in zip(after.chunks, before.chunks, strict=True)] == [True, True, False]


def test_all_findings_are_told_together(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    shop.checks = [
        {"name": "every_shop_reports", "passed": False, "message": "south is silent"},
        {"name": "enough_rows", "passed": True, "message": ""},
    ]
    shop.rows = shop.rows.with_columns(
        amount=pl.when(pl.int_range(pl.len()) < 5).then(-1.0).otherwise("amount"), shop=pl.lit("east")
    )
    shop.outcomes = shop.outcomes.slice(1)
    spec = make_spec(checks=(FunctionSpec("every_shop_reports"), FunctionSpec("enough_rows")))
    with pytest.raises(DataRejected) as caught:
        shop.service.collect(apply(spec), as_of)
    text = str(caught.value)
    assert "4 rules are broken" in text
    assert "amount: >= 0 broken by 5 of 800 rows, for example visit=" in text
    assert "shop: one of north, south broken by 800 of 800 rows" in text
    assert "returned: look-ahead" in text
    assert "every_shop_reports: check: south is silent" in text
    assert [f.column for f in caught.value.findings] == ["shop", "amount", "returned", "every_shop_reports"]
    assert shop.snapshots.list("visits") == []


def test_missing_column_stops_before_the_checks(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    shop.rows = shop.rows.drop("items")
    with pytest.raises(DataRejected, match=r"items: column present broken by 800 of 800 rows"):
        shop.service.collect(apply(make_spec(checks=(FunctionSpec("c"),))), as_of)
    assert shop.engine.count(StepKind.CHECK) == 0


def test_check_reads_the_source_file_where_nothing_was_changed(
    shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime
) -> None:
    spec = make_spec(checks=(FunctionSpec("c"),))
    shop.service.collect(apply(spec), as_of)
    source, check = shop.engine.ran[0], shop.engine.ran[-1]
    assert (source.kind, check.kind) == (StepKind.SOURCE, StepKind.CHECK)
    assert not source.cacheable
    assert check.cacheable
    shop.rows = shop.rows.with_columns(pl.col("items").cast(pl.Int32))
    shop.service.collect(apply(spec), as_of)
    assert shop.engine.count(StepKind.CHECK) == 2


def test_no_rows_no_source_no_luck(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    with pytest.raises(InvalidInput, match="no source"):
        shop.service.collect(apply(make_spec(source=None)), as_of)
    shop.rows = shop.rows.head(0)
    with pytest.raises(DataRejected, match="gave no rows"):
        shop.service.collect(apply(make_spec()), as_of)


def test_a_failing_source_is_told(shop: Any, make_spec: MakeSpec, apply: Apply, as_of: datetime) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such table")

    shop.engine.script[StepKind.SOURCE] = broken
    with pytest.raises(StepFailed, match="no such table"):
        shop.service.collect(apply(make_spec()), as_of)
