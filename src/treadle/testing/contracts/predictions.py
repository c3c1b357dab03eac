"""What every ``ports.PredictionWriter``, ``PredictionLog``, ``Outcomes`` and ``JoinedLog`` promises."""
# ruff: noqa: S101

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from treadle.domain.predictions import JoinedPart, OutcomePart
from treadle.ports.predictions import JoinedLog, Outcomes, PredictionLog, PredictionWriter
from treadle.testing import samples
from treadle.testing.contracts.base import together

TIME = pl.Datetime("us", "UTC")
COLUMNS: dict[str, pl.DataType] = {
    "prediction_id": pl.String(),
    "request_id": pl.String(),
    "row": pl.Int64(),
    "model": pl.String(),
    "version": pl.Int64(),
    "at": TIME,
    "key": pl.String(),
    "time": TIME,
    "score": pl.Float64(),
    "decision": pl.Boolean(),
    "threshold": pl.Float64(),
    "latency_ms": pl.Float64(),
    "row.flight_id": pl.String(),
    "row.departs": TIME,
    "row.carrier": pl.String(),
    "row.seats": pl.Int64(),
    "row.distance": pl.Float64(),
    "row.pressure": pl.Float64(),
    "row.international": pl.Boolean(),
    "row.built": pl.Date(),
}

Ends = tuple[PredictionWriter, PredictionLog]


def all_rows(log: PredictionLog, model: str = samples.MODEL) -> pl.DataFrame:
    """Every row of the log, in the order answered."""
    frames = pl.scan_parquet([part.path for part in log.parts(model)])
    return frames.sort("request_id", "row").collect()


class PredictionLogContract:
    """Override :meth:`make`: both ends of one log, that knows the declaration ``samples.a_spec()`` of every model."""

    def make(self, folder: Path) -> Ends:
        """A new, empty log; ``folder`` is the test's own."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what :meth:`make` opened."""

    @pytest.fixture
    def ends(self, tmp_path: Path) -> Iterator[Ends]:
        """The log of one test."""
        ends = self.make(tmp_path)
        yield ends
        ends[0].close()
        self.close()

    def test_an_empty_log(self, ends: Ends) -> None:
        """Has nothing."""
        assert ends[1].record() == 0
        assert list(ends[1].parts("flights")) == []

    def test_rows_come_back(self, ends: Ends) -> None:
        """One a prediction, with every column as the port says and every value as it was answered."""
        writer, log = ends
        record = samples.a_prediction(7, rows=3, at=datetime(2013, 1, 5, 3, 4, 5, 678901, UTC))
        writer.append(record)
        assert log.record() == 3
        rows = all_rows(log)
        assert {name: rows.schema.get(name) for name in COLUMNS} == COLUMNS
        assert rows["prediction_id"].to_list() == [f"{record.request_id}-{i}" for i in range(3)]
        assert rows["row"].to_list() == [0, 1, 2]
        assert set(rows["at"]) == {record.at}
        assert rows["key"].to_list() == list(record.columns["flight_id"])
        departs = datetime(2013, 1, 2, 5, 15, tzinfo=UTC)
        assert rows["time"].to_list() == [departs] * 3 == rows["row.departs"].to_list()
        assert rows["score"].to_list() == record.scores
        assert rows["decision"].to_list() == record.decisions
        for name in ("carrier", "seats", "distance", "pressure", "international"):
            assert rows[f"row.{name}"].to_list() == list(record.columns[name])
        assert rows["row.built"].to_list() == [date(1999, 12, 31), None, date(1999, 12, 31)]

    def test_every_row_is_recorded_once(self, ends: Ends) -> None:
        """However often somebody records."""
        writer, log = ends
        recorded = 0
        for number in range(10):
            writer.append(samples.a_prediction(number, rows=number % 3 + 1))
            if number % 4 == 0:
                recorded += log.record() + log.record()
        recorded += log.record()
        rows = all_rows(log)
        assert recorded == rows.height == sum(number % 3 + 1 for number in range(10))
        assert rows["prediction_id"].n_unique() == rows.height

    def test_parts_are_of_one_model_and_day(self, ends: Ends) -> None:
        """And tell the times that they span."""
        writer, log = ends
        for number, hour in enumerate((1, 23, 25, 47, 49)):
            writer.append(samples.a_prediction(number, at=samples.hours(hour)))
        writer.append(samples.a_prediction(9, model="a/../b", at=samples.hours(30)))
        log.record()
        parts = log.parts("flights")
        assert [(p.day, p.rows, p.first, p.last) for p in parts] == [
            (date(2013, 1, 1), 4, samples.hours(1), samples.hours(23)),
            (date(2013, 1, 2), 4, samples.hours(25), samples.hours(47)),
            (date(2013, 1, 3), 2, samples.hours(49), samples.hours(49)),
        ]
        for part in parts:
            rows = pl.read_parquet(part.path)
            assert rows.height == part.rows
            assert set(rows["model"]) == {"flights"}
            assert (rows["at"].min(), rows["at"].max()) == (part.first, part.last)
        (other,) = log.parts("a/../b")
        assert pl.read_parquet(other.path)["model"].to_list() == ["a/../b"] * 2

    def test_parts_of_a_window(self, ends: Ends) -> None:
        """Those that may hold rows of it, and few others."""
        writer, log = ends
        for number, hour in enumerate((1, 25, 49)):
            writer.append(samples.a_prediction(number, at=samples.hours(hour)))
        log.record()
        assert [p.first for p in log.parts("flights", samples.hours(20))] == [samples.hours(25), samples.hours(49)]
        assert [p.first for p in log.parts("flights", samples.hours(25), samples.hours(26))] == [samples.hours(25)]
        assert [p.first for p in log.parts("flights", None, samples.hours(25))] == [samples.hours(1)]

    def test_all_parts_have_one_schema(self, ends: Ends) -> None:
        """Whole numbers in a float column, columns of nothing but nulls and missing columns change no type."""
        writer, log = ends
        plain = samples.a_prediction(0)
        writer.append(plain)
        log.record()
        writer.append(
            dataclasses.replace(
                samples.a_prediction(1),
                columns={**plain.columns, "distance": [1, 2], "pressure": [3, 4.5], "seats": [None, None]},
            )
        )
        log.record()
        fewer = {name: values for name, values in plain.columns.items() if name != "pressure"}
        writer.append(dataclasses.replace(samples.a_prediction(2), columns=fewer))
        log.record()
        rows = all_rows(log)
        assert rows["row.distance"].to_list() == [1400.5, 100.0, 1.0, 2.0, 1400.5, 100.0]
        assert rows["row.pressure"].to_list() == [None, None, 3.0, 4.5, None, None]

    def test_finished_days_are_merged(self, ends: Ends) -> None:
        """Into one part a model and day, with the same rows; the present day is left alone."""
        writer, log = ends
        for number, hour in enumerate((1, 2, 3, 25, 26, 49, 50)):
            writer.append(samples.a_prediction(number, at=samples.hours(hour)))
            log.record()
        before = all_rows(log)
        assert log.compact_finished(date(2013, 1, 3)) == 5
        assert log.compact_finished(date(2013, 1, 3)) == 0
        assert [(part.day.day, part.rows) for part in log.parts("flights")] == [(1, 6), (2, 4), (3, 2), (3, 2)]
        assert (log.parts("flights")[0].first, log.parts("flights")[0].last) == (samples.hours(1), samples.hours(3))
        assert all_rows(log).equals(before)

    def test_threads_answer_and_record(self, ends: Ends) -> None:
        """Nothing is lost or doubled."""
        writer, log = ends

        def work(number: int) -> int:
            if number >= 2:
                return sum(log.record() for _ in range(10))
            for i in range(50):
                writer.append(samples.a_prediction(number * 50 + i))
            return 0

        counts = together(4, work)
        recorded = sum(count for count in counts if isinstance(count, int)) + log.record()
        rows = all_rows(log)
        assert not [count for count in counts if isinstance(count, Exception)]
        assert recorded == rows.height == rows["prediction_id"].n_unique() == 200


def a_file(folder: Path, key: str = "a") -> Path:
    """A Parquet file of one outcome."""
    path = folder / f"{key}.parquet"
    times = {"observed_at": [samples.START], "received_at": [samples.START]}
    pl.DataFrame({"key": [key], "label": [True], **times}).write_parquet(path)
    return path


class OutcomesContract:
    """Override :meth:`make`."""

    def make(self, folder: Path) -> Outcomes:
        """A new, empty store; ``folder`` is the test's own."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what :meth:`make` opened."""

    @pytest.fixture
    def outcomes(self, tmp_path: Path) -> Iterator[Outcomes]:
        """The outcomes of one test."""
        yield self.make(tmp_path / "home")
        self.close()

    def part(self, hour: float, model: str = samples.MODEL) -> OutcomePart:
        """A part as its giver describes it."""
        observed = samples.hours(hour) - timedelta(hours=1)
        return OutcomePart("", model, 1, samples.hours(hour), observed, observed)

    def test_a_file_is_taken_over(self, outcomes: Outcomes, tmp_path: Path) -> None:
        """Its giver may do with it what he likes afterwards."""
        source = a_file(tmp_path)
        kept = outcomes.append(self.part(1), source)
        source.unlink()
        assert pl.read_parquet(kept.path)["key"].to_list() == ["a"]
        assert dataclasses.replace(kept, path="") == self.part(1)
        assert list(outcomes.parts("flights")) == [kept]
        assert list(outcomes.parts("bikes")) == []

    def test_the_same_file_again_is_no_change(self, outcomes: Outcomes, tmp_path: Path) -> None:
        """The first part stands."""
        kept = outcomes.append(self.part(1), a_file(tmp_path))
        assert outcomes.append(self.part(2), a_file(tmp_path)) == kept
        assert list(outcomes.parts("flights")) == [kept]
        other = outcomes.append(self.part(1, "bikes"), a_file(tmp_path))
        assert list(outcomes.parts("bikes")) == [other]

    def test_parts_come_in_the_order_received(self, outcomes: Outcomes, tmp_path: Path) -> None:
        """From a time on, that time included."""
        for hour in (3, 1, 2):
            outcomes.append(self.part(hour), a_file(tmp_path, str(hour)))
        assert [p.received_at for p in outcomes.parts("flights")] == [samples.hours(h) for h in (1, 2, 3)]
        since = outcomes.parts("flights", samples.hours(2))
        assert [p.received_at for p in since] == [samples.hours(h) for h in (2, 3)]


class JoinedLogContract:
    """Override :meth:`make`."""

    def make(self, folder: Path) -> JoinedLog:
        """A new, empty log; ``folder`` is the test's own."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what :meth:`make` opened."""

    @pytest.fixture
    def joined(self, tmp_path: Path) -> Iterator[JoinedLog]:
        """The log of one test."""
        yield self.make(tmp_path / "home")
        self.close()

    def part(self, first: float, last: float, at: float, model: str = samples.MODEL) -> JoinedPart:
        """A part as its giver describes it."""
        return JoinedPart("", model, 1, samples.hours(at), samples.hours(first), samples.hours(last))

    def test_a_file_is_taken_over(self, joined: JoinedLog, tmp_path: Path) -> None:
        """The same content again is no change."""
        kept = joined.append(self.part(1, 2, 9), a_file(tmp_path))
        assert joined.append(self.part(1, 2, 10), a_file(tmp_path)) == kept
        (tmp_path / "a.parquet").unlink()
        assert pl.read_parquet(kept.path)["key"].to_list() == ["a"]
        assert list(joined.parts("flights")) == [kept]
        assert list(joined.parts("bikes")) == []

    def test_parts_of_a_window_in_the_order_joined(self, joined: JoinedLog, tmp_path: Path) -> None:
        """Those that may hold rows answered in it."""
        for first, last, at in ((1, 5, 12), (4, 8, 10), (9, 9, 11)):
            joined.append(self.part(first, last, at), a_file(tmp_path, str(first)))
        assert [p.joined_at for p in joined.parts("flights")] == [samples.hours(h) for h in (10, 11, 12)]
        assert [p.first for p in joined.parts("flights", samples.hours(6))] == [samples.hours(h) for h in (4, 9)]
        assert [p.first for p in joined.parts("flights", samples.hours(2), samples.hours(4))] == [samples.hours(1)]
