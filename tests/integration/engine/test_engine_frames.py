"""Frames other than polars, and environments without it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.domain.errors import StepFailed
from treadle.domain.steps import StepKind

WINDOW = {"start": None, "until": "2024-03-01T00:00:00+00:00", "as_of": "2024-03-01T00:00:00+00:00"}
Models = Callable[..., Path]

PANDAS = '''\
# /// script
# dependencies = ["pandas", "pyarrow"]
# ///
"""A regression in pandas."""
from datetime import datetime

import numpy as np
import pandas as pd

from treadle import Col, Model, Row, Window, col, metrics


class Sale(Row):
    sale_id: Col[int]
    at: Col[datetime] = col(zone="America/New_York")
    size: Col[float | None]
    price: Col[float]


sales = Model("sales", Sale, key=Sale.sale_id, time=Sale.at, label=Sale.price)


@sales.source
def source(window: Window) -> pd.DataFrame:
    times = pd.to_datetime(["2024-03-10 01:30", "2024-03-10 02:30", "2024-11-03 01:30", None])
    size, price = [1.0, None, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0]
    return pd.DataFrame({"sale_id": [1, 2, 3, 4], "at": times, "size": size, "price": price})


@sales.outcomes
def outcomes(window: Window) -> pd.DataFrame:
    times = pd.to_datetime(["2024-01-01 00:00", "2024-01-02 00:00"])
    return pd.DataFrame({"sale_id": [1, 2], "price": [1.0, 2.0], "observed_at": times})


@sales.features
def features(rows: pd.DataFrame) -> pd.DataFrame:
    assert isinstance(rows, pd.DataFrame), type(rows)
    assert "price" not in rows.columns
    return rows[["size"]].fillna(0.0)


class Double:
    def predict(self, rows):
        return rows["size"].to_numpy() * 2


@sales.train
def fit(rows: pd.DataFrame) -> Double:
    assert isinstance(rows, pd.DataFrame), type(rows)
    assert str(rows["at"].dt.tz) == "UTC", rows["at"].dtype
    return Double()


@sales.check
def small(rows: pd.DataFrame) -> bool:
    return rows["size"].max() < 5


@sales.worth
def worth(row: Sale, decision: float, label: float) -> float:
    return -abs(decision - label)


sales.ship(metrics.rmse <= 3)
'''


@pytest.fixture
def sales(bench: Any, tmp_path: Path) -> Any:
    file = tmp_path / "sales.py"
    file.write_text(PANDAS)
    return bench.apply(file)


def test_a_whole_life_in_pandas_without_polars(bench: Any, sales: Any) -> None:
    source = bench.run(sales, StepKind.SOURCE, arguments=WINDOW)
    rows = bench.read(source, "rows.parquet")
    assert rows["at"].to_list() == [
        datetime(2024, 3, 10, 6, 30, tzinfo=UTC),
        datetime(2024, 3, 10, 7, 30, tzinfo=UTC),
        datetime(2024, 11, 3, 5, 30, tzinfo=UTC),
        None,
    ]
    assert rows["size"].null_count() == 1
    blob = source.outputs["rows.parquet"]
    assert bench.run(sales, StepKind.CHECK, inputs={"rows.parquet": blob}).value[0]["passed"]
    fitted = bench.run(sales, StepKind.FIT, inputs={"train.parquet": blob, "validation.parquet": blob})
    inputs = {"model.pkl": fitted.outputs["model.pkl"], "rows.parquet": blob}
    scored = bench.run(sales, StepKind.SCORE, inputs=inputs)
    assert bench.read(scored, "scores.parquet")["score"].to_list() == [2.0, 0.0, 6.0, 8.0]
    decided = bench.put(rows.with_columns(pl.Series("__decision", [2.0, 0.0, None, 8.0])))
    valued = bench.run(sales, StepKind.WORTH, inputs={"rows.parquet": decided})
    assert bench.read(valued, "worth.parquet")["worth"].to_list() == [0.0, -4.0, None, 0.0]


def test_outcomes_without_a_key_have_the_time_of_the_event(bench: Any, tmp_path: Path) -> None:
    text = PANDAS.replace("key=Sale.sale_id, ", "").replace('{"sale_id": [1, 2], "price"', '{"at": times, "price"')
    file = tmp_path / "sales.py"
    file.write_text(text)
    arguments = {"since": "2024-01-01T05:00:00+00:00", "until": "2024-01-02T05:00:00+00:00"}
    made = bench.run(bench.apply(file), StepKind.OUTCOMES, arguments=arguments)
    frame = bench.read(made, "outcomes.parquet")
    midnight = datetime(2024, 1, 2, 5, tzinfo=UTC)
    assert frame.columns == ["time", "label", "observed_at"]
    assert frame.rows() == [(midnight, 2.0, midnight)]


def test_outcomes_in_pandas(bench: Any, sales: Any) -> None:
    arguments = {"since": "2024-01-01T05:00:00+00:00", "until": "2024-02-01T00:00:00+00:00"}
    made = bench.run(sales, StepKind.OUTCOMES, arguments=arguments)
    assert bench.read(made, "outcomes.parquet").rows() == [("2", 2.0, datetime(2024, 1, 2, 5, tzinfo=UTC))]


def test_pyarrow_frames_in_an_environment_with_polars(bench: Any, model: Models, rows: str) -> None:
    source = """
    import pyarrow as pa
    at = pa.array([window.as_of] * 2, type=pa.timestamp("us", tz="Europe/Berlin"))
    return pa.table({"visit_id": ["a", "b"], "at": at, "age": [1.0, None], "kind": ["x", "y"], "came": [True, None]})"""
    more = """
import pyarrow as pa
@visits.check
def is_arrow(rows: pa.Table) -> bool:
    return isinstance(rows, pa.Table) and rows.num_rows == 8
"""
    applied = bench.apply(model(source=source, requirements='"polars", "numpy", "pyarrow"', more=more))
    made = bench.read(bench.run(applied, StepKind.SOURCE, arguments=WINDOW), "rows.parquet")
    assert made["at"].to_list() == [datetime(2024, 3, 1, tzinfo=UTC)] * 2
    assert bench.run(applied, StepKind.CHECK, inputs={"rows.parquet": rows}).value[0]["passed"]


def test_what_is_no_frame_is_told(bench: Any, model: Models) -> None:
    with pytest.raises(StepFailed, match=r"source source returned a builtins\.list"):
        bench.run(bench.apply(model(source="return []")), StepKind.SOURCE, arguments=WINDOW)


def test_a_missing_library_names_the_dependency_to_add(bench: Any, tmp_path: Path) -> None:
    file = tmp_path / "bare.py"
    text = PANDAS.replace('["pandas", "pyarrow"]', "[]").replace("import numpy as np\nimport pandas as pd\n", "")
    text = text.replace("pd.DataFrame", "object").replace("def source(window: Window) -> object", "def source(window)")
    text = text.replace("(rows: object)", "(rows)").replace("-> object", "").replace("times =", "return [] #")
    file.write_text(text)
    with pytest.raises(StepFailed, match="neither polars nor pyarrow") as caught:
        bench.run(bench.apply(file), StepKind.CHECK, inputs={"rows.parquet": bench.put(pl.DataFrame({"size": [1.0]}))})
    assert '"polars"' in caught.value.hint
