"""The recorder's end: exactly once through crashes, damage and merging; types."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from treadle.domain.predictions import PredictionRecord
from treadle.storage.predictions import log as log_module
from treadle.storage.predictions.frames import predictions_frame, typed
from treadle.storage.predictions.log import ParquetPredictionLog
from treadle.storage.predictions.wal import WalWriter
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples

RECORD = """
import sys
from pathlib import Path
from treadle.storage.predictions.log import ParquetPredictionLog
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples
home = Path(sys.argv[1])
store = SqlStore(f"sqlite:///{home / 'treadle.db'}")
log = ParquetPredictionLog(home, store, specs=samples.a_spec)
print("ready", flush=True)
while True:
    log.record()
"""


@pytest.fixture
def store(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'treadle.db'}")
    yield store
    store.close()


@pytest.fixture
def log(tmp_path, store):
    return ParquetPredictionLog(tmp_path, store, specs=samples.a_spec)


@pytest.fixture
def writer(tmp_path):
    writer = WalWriter(tmp_path / "wal" / "g1")
    yield writer
    writer.close()


def wal_files(home):
    return sorted(path.name for path in (home / "wal").rglob("*") if path.is_file())


def rows_of(log, model="flights"):
    return pl.concat([pl.read_parquet(part.path) for part in log.parts(model)], how="diagonal_relaxed")


def test_a_crash_between_writing_and_committing_records_once(tmp_path, store, log, writer, monkeypatch):
    for number in range(4):
        writer.append(samples.a_prediction(number, at=samples.hours(number * 12)))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store.manifest, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        log.record()
    monkeypatch.undo()
    orphans = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "predictions").rglob("*.parquet")}
    assert len(orphans) == 2
    assert log.parts("flights") == []
    for number in range(4, 6):
        writer.append(samples.a_prediction(number, at=samples.hours(number * 12)))
    assert log.record() == 12
    files = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "predictions").rglob("*.parquet")}
    assert files == {os.path.relpath(part.path, tmp_path) for part in log.parts("flights")} > orphans
    assert rows_of(log)["prediction_id"].n_unique() == 12


def test_a_crash_before_deleting_a_segment_records_once(tmp_path, store, log, writer, monkeypatch):
    writer.append(samples.a_prediction())
    writer.close()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store.manifest, "make_durable", killed)
    with pytest.raises(KeyboardInterrupt):
        log.record()
    monkeypatch.undo()
    assert len(wal_files(tmp_path)) == 1
    assert log.record() == 0
    assert wal_files(tmp_path) == []
    assert rows_of(log).height == 2
    assert store.manifest.progress() == {}


def test_a_recorder_killed_again_and_again_records_once(tmp_path, log):
    writer = WalWriter(tmp_path / "wal" / "g1", segment_bytes=30_000)
    number = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", RECORD, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        until = time.monotonic() + 0.15
        while time.monotonic() < until:
            writer.append(samples.a_prediction(number, rows=1, at=samples.hours(number / 100)))
            number += 1
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    writer.close()
    log.record()
    rows = rows_of(log)
    assert rows.height == number == rows["prediction_id"].n_unique()
    assert wal_files(tmp_path) == []


def test_finished_segments_are_deleted_open_ones_stay(tmp_path, log, writer):
    writer.append(samples.a_prediction(1))
    assert log.record() == 2
    assert len(wal_files(tmp_path)) == 1
    writer.append(samples.a_prediction(2))
    writer.close()
    assert log.record() == 2
    assert wal_files(tmp_path) == []


def test_large_backlogs_are_recorded_in_batches(tmp_path, log, writer, monkeypatch):
    monkeypatch.setattr(log_module, "BATCH_BYTES", 2000)
    for number in range(40):
        writer.append(samples.a_prediction(number))
    assert log.record() == 80
    assert len(log.parts("flights")) > 3
    assert rows_of(log)["prediction_id"].n_unique() == 80


def test_a_torn_tail_of_a_dead_writer_is_let_go(tmp_path, log, writer):
    writer.append(samples.a_prediction(1))
    writer.close()
    (path,) = (tmp_path / "wal" / "g1").glob("*.wal")
    path.write_bytes(path.read_bytes() + b"\x40\0\0\0torn")
    assert log.record() == 2
    assert wal_files(tmp_path) == []


def test_damage_is_skipped_kept_and_told(tmp_path, log, writer, caplog):
    ends = []
    (path,) = (tmp_path / "wal" / "g1").glob("*.wal")
    for number in range(3):
        writer.append(samples.a_prediction(number))
        ends.append(path.stat().st_size)
    writer.close()
    data = bytearray(path.read_bytes())
    data[ends[0] + 20] ^= 255
    path.write_bytes(bytes(data))
    assert log.record() == 4
    assert set(rows_of(log)["request_id"]) == {samples.a_prediction(n).request_id for n in (0, 2)}
    assert wal_files(tmp_path) == [f"{path.name}.damaged"]
    assert f"{ends[1] - ends[0]} bytes" in caplog.text


def test_a_file_that_is_no_segment_is_set_aside(tmp_path, log, writer, caplog):
    (tmp_path / "wal" / "g1" / "0-0-0.wal").write_bytes(b"nonsense" * 10)
    writer.append(samples.a_prediction())
    assert log.record() == 2
    assert "0-0-0.wal.damaged" in wal_files(tmp_path)
    assert "0-0-0.wal" not in wal_files(tmp_path)
    assert "no segment" in caplog.text


def test_files_that_were_never_born_are_removed_when_old(tmp_path, log):
    folder = tmp_path / "wal" / "g1"
    folder.mkdir(parents=True)
    for name, age in (("old.new", 7200), ("young.new", 5)):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (time.time() - age,) * 2)
    log.record()
    assert wal_files(tmp_path) == ["young.new"]


def test_several_gateways_and_models(tmp_path, log):
    writers = [WalWriter(tmp_path / "wal" / f"g{i}") for i in range(2)]
    for number, writer in enumerate(writers):
        for model in ("flights", "bikes"):
            writer.append(samples.a_prediction(number, model=model))
        writer.close()
    assert log.record() == 8
    assert rows_of(log).height == rows_of(log, "bikes").height == 4


def test_a_home_may_be_moved(tmp_path, store, log, writer):
    writer.append(samples.a_prediction())
    log.record()
    store.close()
    (tmp_path / "predictions").rename(tmp_path / "elsewhere")
    (tmp_path / "new").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "new" / "predictions")
    moved = ParquetPredictionLog(tmp_path / "new", store)
    assert rows_of(moved).height == 2


def test_compaction_merges_a_day_and_spares_readers(tmp_path, store, log, writer, monkeypatch):
    for number in range(5):
        writer.append(samples.a_prediction(number, at=samples.hours(number)))
        log.record()
    writer.append(samples.a_prediction(9, at=samples.hours(30)))
    log.record()
    before, old = rows_of(log), log.parts("flights")
    assert log.compact("flights", date(2013, 1, 1)) == 5
    assert log.compact("flights", date(2013, 1, 1)) == 0
    merged, other = log.parts("flights")
    assert (merged.rows, merged.first, merged.last) == (10, samples.hours(0), samples.hours(4))
    assert other == old[-1]
    assert rows_of(log).equals(before)
    assert all(Path(part.path).exists() for part in old)
    monkeypatch.setattr(log_module, "GRACE", timedelta(0))
    time.sleep(0.001)
    log.compact("flights", date(2013, 1, 1))
    assert not any(Path(part.path).exists() for part in old[:-1])
    assert rows_of(log).equals(before)


def test_compaction_of_finished_days(log, writer):
    for number, hour in enumerate((0, 1, 24, 25, 48, 49)):
        writer.append(samples.a_prediction(number, at=samples.hours(hour)))
        log.record()
    assert log.compact_finished(date(2013, 1, 3)) == 4
    assert [part.rows for part in log.parts("flights")] == [4, 4, 2, 2]


def test_recording_goes_on_beside_compaction(log, writer):
    writer.append(samples.a_prediction(0))
    log.record()
    writer.append(samples.a_prediction(1))
    log.record()
    log.compact("flights", date(2013, 1, 1))
    writer.append(samples.a_prediction(2))
    log.record()
    log.compact("flights", date(2013, 1, 1))
    (part,) = log.parts("flights")
    assert part.rows == 6 == rows_of(log)["prediction_id"].n_unique()


def test_declarations_come_out_of_the_store(tmp_path, store, writer):
    log = ParquetPredictionLog(tmp_path, store)
    writer.append(samples.a_prediction(1))
    log.record()
    store.models.apply(samples.an_applied_model())
    writer.append(samples.a_prediction(2))
    log.record()
    before, after = (pl.read_parquet(part.path) for part in log.parts("flights"))
    assert before.schema["row.departs"] == pl.String()
    assert before["key"].to_list() == [None, None]
    assert after.schema["row.departs"] == pl.Datetime("us", "UTC")
    assert after["key"].to_list() == ["2/0", "2/1"]


def test_multiclass_scores_are_lists():
    record = dataclasses.replace(samples.a_prediction(), scores=[[0.1, 0.7, 0.2], [1, 0, 0]], decisions=["b", "a"])
    frame = predictions_frame([record], samples.a_spec(task="multiclass"))
    assert frame["scores"].to_list() == [[0.1, 0.7, 0.2], [1.0, 0.0, 0.0]]
    assert frame["score"].to_list() == [0.7, 1.0]
    assert frame["decision"].to_list() == ["b", "a"]


def test_regression_decides_the_number_itself():
    record = dataclasses.replace(samples.a_prediction(), scores=[1, 2.5], decisions=[1, 2.5], threshold=None)
    frame = predictions_frame([record], samples.a_spec(task="regression"))
    assert frame["decision"].to_list() == frame["score"].to_list() == [1.0, 2.5]
    assert frame["threshold"].to_list() == [None, None]
    assert frame.schema["threshold"] == pl.Float64()


def test_naive_times_are_in_the_declared_zone():
    columns = tuple(
        dataclasses.replace(c, zone="America/New_York") if c.name == "departs" else c for c in samples.a_spec().columns
    )
    record = dataclasses.replace(samples.a_prediction(), columns={"departs": ["2013-01-02T00:15", "2013-07-02T00:15"]})
    frame = predictions_frame([record], samples.a_spec(columns=columns))
    assert frame["time"].to_list() == [datetime(2013, 1, 2, 5, 15, tzinfo=UTC), datetime(2013, 7, 2, 4, 15, tzinfo=UTC)]


def test_values_that_do_not_fit_their_declaration_are_kept():
    """A row answered under an earlier revision of the declaration."""
    columns = {"departs": ["tomorrow", None], "seats": ["many", "few"], "distance": [True, None], "new": [1, "x"]}
    record: PredictionRecord = dataclasses.replace(samples.a_prediction(), columns=columns)
    frame = predictions_frame([record], samples.a_spec())
    for name, values in columns.items():
        expected = ["1", "x"] if name == "new" else values
        assert frame[f"row.{name}"].to_list() == expected
    assert frame["time"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("values", "wanted", "dtype"),
    [
        ([1, None], pl.Float64(), pl.Float64()),
        ([1, 2.5], pl.Int64(), pl.Float64()),
        ([True, 1], pl.Int64(), pl.String()),
        ([2**70], pl.Int64(), pl.Float64()),
        ([None], pl.Boolean(), pl.Boolean()),
        ([None], None, pl.Null()),
        (["a"], None, pl.String()),
    ],
)
def test_columns_take_a_type_that_holds_all_values(values, wanted, dtype):
    assert typed("a", values, wanted).dtype == dtype
