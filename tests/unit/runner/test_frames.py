from __future__ import annotations

import importlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.domain.errors import EnvironmentFailed, InvalidInput
from treadle.runner import frames
from treadle.runner.arrow_table import ArrowTable
from treadle.runner.polars_table import PolarsTable

EARLY, LATE = datetime(1950, 1, 1), datetime(2100, 1, 1)
TABLES = [PolarsTable, ArrowTable]
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]

pytestmark = pytest.mark.parametrize("kind", TABLES)


def table(kind: Any, **columns: Any) -> Any:
    return kind.of_frame(pl.DataFrame(columns).to_arrow() if kind is ArrowTable else pl.DataFrame(columns))


@pytest.mark.parametrize("zone", ZONES)
def test_naive_times_are_read_as_python_reads_them(kind: Any, zone: str) -> None:
    begin = datetime(2024, 1, 1)
    naive = [begin + timedelta(minutes=20 * i) for i in range(366 * 72)]
    read = frames.in_utc(table(kind, at=naive), {"at": zone}, "source")
    assert read.values("at") == [time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for time in naive]


@given(
    times=st.lists(st.datetimes(EARLY, LATE) | st.none(), max_size=20),
    zone=st.sampled_from(ZONES),
)
def test_any_naive_time_is_read_as_python_reads_it(kind: Any, times: list[datetime | None], zone: str) -> None:
    frame = pl.DataFrame({"at": pl.Series(times, dtype=pl.Datetime("us"))})
    read = frames.in_utc(kind.of_frame(frame.to_arrow() if kind is ArrowTable else frame), {"at": zone}, "source")
    wanted = [None if t is None else t.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for t in times]
    assert read.values("at") == wanted


def test_times_twice_and_never(kind: Any) -> None:
    naive = [datetime(2024, 11, 3, 1, 30), datetime(2024, 3, 10, 2, 30)]
    read = frames.in_utc(table(kind, at=naive), {"at": "America/New_York"}, "source")
    assert read.values("at") == [datetime(2024, 11, 3, 5, 30, tzinfo=UTC), datetime(2024, 3, 10, 7, 30, tzinfo=UTC)]


def test_aware_times_are_moved_to_utc(kind: Any) -> None:
    berlin = [datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))]
    read = frames.in_utc(table(kind, at=berlin, day=[date(2024, 1, 1)]), {"at": "America/New_York"}, "source")
    assert read.values("at") == [datetime(2024, 7, 1, 10, tzinfo=UTC)]
    assert read.times() == ["at"]
    assert read.naive() == []


def test_naive_times_without_a_zone_and_unknown_zones_are_refused(kind: Any) -> None:
    naive = table(kind, at=[datetime(2024, 1, 1)])
    with pytest.raises(InvalidInput, match="column 'at' of source x has times without a zone") as caught:
        frames.in_utc(naive, {}, "source x")
    assert "col(zone=" in caught.value.hint
    with pytest.raises(InvalidInput, match="Nowhere"):
        frames.in_utc(naive, {"at": "Nowhere/Land"}, "source x")


def test_selecting(kind: Any, tmp_path: Path) -> None:
    at = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    rows = table(kind, a=[1, 2, 3], b=["x", None, "z"], at=at, c=[True, False, None], d=[1.5, None, 2.5])
    assert rows.height == 3
    assert rows.select(["b", "a"]).names == ["b", "a"]
    assert rows.rename({"a": "key"}).to_text("key").values("key") == ["1", "2", "3"]
    assert rows.filter([True, False, True]).values("a") == [1, 3]
    assert rows.without_nulls(["b", "d"]).values("a") == [1, 3]
    assert rows.known_within("at", None, at[1]).values("a") == [1, 2]
    assert rows.known_within("at", at[0], at[1]).values("a") == [2]
    assert [rows.kind_of(name) for name in rows.names] == ["number", "text", "time", "bool", "number"]
    rows.write(tmp_path / "rows.parquet")
    again = kind.read(tmp_path / "rows.parquet")
    assert {name: again.values(name) for name in again.names} == {name: rows.values(name) for name in rows.names}


@pytest.mark.parametrize(
    ("library", "cls"), [("polars", pl.DataFrame), ("pandas", pd.DataFrame), ("pyarrow", pa.Table)]
)
def test_frames_of_every_library(kind: Any, library: str, cls: type[Any]) -> None:
    frame = table(kind, a=[1, 2], b=["x", None]).to_frame(library)
    assert isinstance(frame, cls)
    assert frames.kind_of_frame(frame) == library
    if kind is PolarsTable or library != "polars":
        assert kind.of_frame(frame).values("a") == [1, 2]


def test_lazy_frames_and_batches(kind: Any) -> None:
    assert frames.of_frame(pl.LazyFrame({"a": [1]}), "source x").height == 1
    assert frames.of_frame(pa.record_batch({"a": [1]}), "source x").height == 1
    if kind is ArrowTable:
        assert kind.of_frame(pa.record_batch({"a": [1]})).height == 1


@pytest.mark.parametrize("value", [None, [], {"a": 1}, 3, pl.Series([1])])
def test_what_is_no_frame_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(InvalidInput, match="source x returned"):
        frames.of_frame(value, "source x")


def test_columns_of_unequal_length_are_refused(kind: Any) -> None:
    with pytest.raises(InvalidInput, match="no frame"):
        kind.of_columns({"a": [1, 2], "b": [1]})


def test_missing_libraries_are_named(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentFailed, match="lacks nosuchlibrary") as caught:
        frames.load("nosuchlibrary.part", "to test")
    assert 'add "nosuchlibrary"' in caught.value.hint
    frames._tables.cache_clear()
    monkeypatch.setattr(frames, "has", lambda name: name == "pyarrow")
    assert frames._tables() is importlib.import_module("treadle.runner.arrow_table").ArrowTable
    frames._tables.cache_clear()
    monkeypatch.setattr(frames, "has", lambda name: False)
    with pytest.raises(EnvironmentFailed, match="neither polars nor pyarrow"):
        frames._tables()
    frames._tables.cache_clear()
