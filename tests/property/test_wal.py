"""Whatever happens to a segment of the write-ahead log, no wrong record is read and no earlier one is lost."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from treadle.domain.errors import CorruptData
from treadle.domain.predictions import PredictionRecord
from treadle.storage.predictions import wal
from treadle.storage.predictions.wal import WalWriter, read_records, read_segment
from treadle.testing import samples

quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
slower = settings(quick, max_examples=60)

values = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=9)
records = st.builds(
    PredictionRecord,
    request_id=st.text(max_size=20),
    model=st.text(max_size=9),
    version=st.integers(1, 2**31),
    at=st.datetimes(timezones=st.just(samples.START.tzinfo)),
    rows=st.just(2),
    columns=st.dictionaries(st.text(max_size=9), st.lists(values, min_size=2, max_size=2), max_size=4),
    scores=st.lists(st.floats(allow_nan=False), min_size=2, max_size=2)
    | st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=2),
    decisions=st.lists(values, min_size=2, max_size=2),
    threshold=st.none() | st.floats(0, 1),
    latency_ms=st.floats(0, 1e6),
    shadow=st.booleans(),
)


class Written(NamedTuple):
    records: list[PredictionRecord]
    data: bytes
    ends: list[int]


def write(folder: Path, answered: list[PredictionRecord]) -> Written:
    writer = WalWriter(folder)
    (path,) = folder.glob("*.wal")
    ends = []
    for record in answered:
        writer.append(record)
        ends.append(path.stat().st_size)
    writer.close()
    return Written(answered, path.read_bytes(), ends)


@pytest.fixture(scope="module")
def written() -> Iterator[Written]:
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder), [samples.a_prediction(i, rows=1) for i in range(6)])


@quick
@given(st.lists(records, max_size=4))
def test_every_record_comes_back(answered):
    with tempfile.TemporaryDirectory() as folder:
        written = write(Path(folder), answered)
        (path,) = Path(folder).glob("*.wal")
        assert read_segment(path) == (answered, len(written.data))


def test_truncated_at_any_byte(written, tmp_path):
    path = tmp_path / "a.wal"
    for length in range(wal.HEADER_BYTES, len(written.data) + 1):
        path.write_bytes(written.data[:length])
        whole = sum(end <= length for end in written.ends)
        found, offset = read_segment(path)
        assert found == written.records[:whole]
        assert offset == ([wal.HEADER_BYTES, *written.ends])[whole]
        assert read_records(path, closed=True).records == found


@pytest.mark.parametrize("length", [0, 1, wal.HEADER_BYTES - 1])
def test_without_its_header_it_is_no_segment(written, tmp_path, length):
    (tmp_path / "a.wal").write_bytes(written.data[:length])
    with pytest.raises(CorruptData):
        read_segment(tmp_path / "a.wal")


@slower
@given(st.integers(0), st.binary(min_size=1, max_size=40), st.booleans())
@example(0, b"\0" * 40, False)
def test_overwritten_anywhere(written, tmp_path, at, garbage, closed):
    at = wal.HEADER_BYTES + at % (len(written.data) - wal.HEADER_BYTES)
    data = written.data[:at] + garbage[: len(written.data) - at] + written.data[at + len(garbage) :]
    path = tmp_path / "a.wal"
    path.write_bytes(data)
    hit = [start < at + len(garbage) and at < end for start, end in spans(written)]
    changed = [h and data[s:e] != written.data[s:e] for h, (s, e) in zip(hit, spans(written), strict=True)]
    found = read_records(path, closed=closed).records
    if closed:
        assert found == [r for r, c in zip(written.records, changed, strict=True) if not c]
    else:
        assert found == written.records[: changed.index(True) if True in changed else None]


@slower
@given(st.integers(0), st.binary(max_size=60))
def test_a_torn_tail_of_anything(written, tmp_path, at, garbage):
    at = wal.HEADER_BYTES + at % (len(written.data) - wal.HEADER_BYTES)
    path = tmp_path / "a.wal"
    path.write_bytes(written.data[:at] + garbage)
    whole = sum(end <= at for end in written.ends)
    for closed in (False, True):
        found = read_records(path, closed=closed).records
        assert found[:whole] == written.records[:whole]
        assert found in (written.records[:whole], written.records[: whole + 1])


@settings(quick, max_examples=30)
@given(st.integers(1, 2000), st.integers(40, 2000))
def test_reading_in_bites_gives_the_same(written, tmp_path, limit, grown):
    """Whatever the limit, and while the file grows."""
    path = tmp_path / "a.wal"
    found, offset, length = [], 0, wal.HEADER_BYTES
    while length < len(written.data):
        length = min(length + grown, len(written.data))
        path.write_bytes(written.data[:length])
        while True:
            more, reached = read_segment(path, offset, limit=limit)
            found += more
            if not more:
                break
            offset = reached
    assert found == written.records


def test_a_frame_within_a_clients_text_is_no_record(tmp_path):
    """Not even when the bytes before it are damaged: other segments' frames have another salt."""
    other = write(tmp_path / "other", [samples.a_prediction(1, rows=1)])
    frame = other.data[wal.HEADER_BYTES :].decode("latin-1")
    smuggler = samples.a_prediction(2, rows=1)
    smuggler.columns["carrier"][0] = frame
    mine = write(tmp_path / "mine", [smuggler, samples.a_prediction(3, rows=1)])
    data = bytearray(mine.data)
    data[wal.HEADER_BYTES + 5] ^= 1
    path = tmp_path / "a.wal"
    path.write_bytes(bytes(data))
    reading = read_records(path, closed=True)
    assert [record.request_id for record in reading.records] == [mine.records[1].request_id]
    assert reading.damaged == mine.ends[0] - wal.HEADER_BYTES


def spans(written: Written) -> list[tuple[int, int]]:
    return list(zip([wal.HEADER_BYTES, *written.ends], written.ends, strict=False))
