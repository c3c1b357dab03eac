from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.data.splits import split
from treadle.domain.errors import DataRejected
from treadle.spec.model_spec import ColumnSpec, ModelSpec, SplitSpec

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = (ColumnSpec("id", "str"), ColumnSpec("at", "datetime"), ColumnSpec("y", "bool"))


@st.composite
def histories(draw: st.DrawFn) -> tuple[pl.DataFrame, datetime, timedelta]:
    hours = draw(st.integers(1, 2000))
    offsets = draw(st.lists(st.integers(0, hours * 60), min_size=1, max_size=200))
    labels = draw(st.lists(st.sampled_from([True, False, None]), min_size=len(offsets), max_size=len(offsets)))
    frame = pl.DataFrame(
        {
            "id": [str(i) for i in range(len(offsets))],
            "at": pl.Series([START + timedelta(minutes=m) for m in offsets], dtype=pl.Datetime("us", "UTC")),
            "y": pl.Series(labels, dtype=pl.Boolean),
        }
    )
    as_of = START + timedelta(hours=draw(st.integers(0, hours + 48)))
    return frame, as_of, timedelta(hours=draw(st.integers(0, 72)))


@settings(deadline=None, max_examples=200)
@given(
    history=histories(),
    shares=st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45)),
    keyed=st.booleans(),
    timed=st.booleans(),
)
def test_splits(
    history: tuple[pl.DataFrame, datetime, timedelta], shares: tuple[float, float], keyed: bool, timed: bool
) -> None:
    frame, as_of, horizon = history
    spec = ModelSpec(
        "m", "", "Row", COLUMNS, "y", "binary",
        key="id" if keyed else None,
        time="at" if timed else None,
        horizon=horizon,
        split=SplitSpec(*shares),
    )  # fmt: skip
    try:
        parts = split(spec, frame, as_of)
    except DataRejected:
        return
    used = pl.concat([parts.train, parts.validation, parts.test])
    assert used["id"].n_unique() == used.height
    assert used.height + parts.immature + parts.unlabelled == frame.height
    assert used["y"].null_count() == 0
    if timed:
        last = as_of - horizon
        usable = frame.filter((pl.col("at") <= last) & (pl.col("at") < as_of) & pl.col("y").is_not_null())
        assert set(used["id"]) == set(usable["id"])
        assert parts.train["at"].max() < parts.validation["at"].min()  # type: ignore[operator]
        assert parts.validation["at"].max() < parts.test["at"].min()  # type: ignore[operator]
