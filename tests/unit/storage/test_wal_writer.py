"""The writer's end: segments, full disks, killed processes."""

import dataclasses
import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime

import numpy as np
import pytest

from treadle.domain.errors import InvalidInput
from treadle.storage.predictions.wal import WalWriter, is_abandoned, read_segment
from treadle.testing import samples

ANSWER = """
import sys
from pathlib import Path
from treadle.storage.predictions.wal import WalWriter
from treadle.testing import samples
writer = WalWriter(Path(sys.argv[1]), segment_bytes=20_000)
i = 0
while True:
    writer.append(samples.a_prediction(i))
    print(i, flush=True)
    i += 1
"""


def segments(folder):
    return sorted(folder.glob("*.wal"))


def all_records(folder):
    return [record for path in segments(folder) for record in read_segment(path)[0]]


def test_a_killed_writer_loses_no_acknowledged_record(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ANSWER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    acknowledged = []
    reader = threading.Thread(target=lambda: acknowledged.extend(map(int, process.stdout)))
    reader.start()
    while len(acknowledged) < 300:
        time.sleep(0.002)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    reader.join()
    process.stdout.close()
    found = all_records(tmp_path)
    assert found[: len(acknowledged)] == [samples.a_prediction(i) for i in acknowledged]
    assert len(found) - len(acknowledged) in (0, 1)
    assert len(segments(tmp_path)) > 2
    assert all(is_abandoned(path) for path in segments(tmp_path))


def test_segments_change_when_they_are_full_and_at_each_start(tmp_path):
    writer = WalWriter(tmp_path, segment_bytes=1000)
    for number in range(10):
        writer.append(samples.a_prediction(number))
    full = segments(tmp_path)
    assert len(full) > 2
    assert [is_abandoned(path) for path in full[:-1]] == [True] * (len(full) - 1)
    again = WalWriter(tmp_path)
    assert len(segments(tmp_path)) == len(full) + 1
    assert not is_abandoned(segments(tmp_path)[-1])
    again.close()
    writer.close()
    assert all(is_abandoned(path) for path in segments(tmp_path))
    assert all_records(tmp_path) == [samples.a_prediction(number) for number in range(10)]


def test_nothing_is_appended_after_the_end(tmp_path):
    writer = WalWriter(tmp_path)
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.append(samples.a_prediction())


def test_arrays_are_logged_as_their_values(tmp_path):
    record = samples.a_prediction()
    numbers = dataclasses.replace(record, scores=np.array(record.scores), columns={"a": np.arange(2)})
    writer = WalWriter(tmp_path)
    writer.append(numbers)
    writer.close()
    (found,) = all_records(tmp_path)
    assert (found.scores, found.columns) == (record.scores, {"a": [0, 1]})


@pytest.mark.parametrize(
    "change",
    [{"columns": {"a": [object(), 1]}}, {"columns": {"a": [2**70, 1]}}, {"at": datetime(2013, 1, 1)}],
    ids=["object", "large", "naive"],
)
def test_what_cannot_be_logged_is_told_and_harms_nothing(tmp_path, change):
    writer = WalWriter(tmp_path)
    writer.append(samples.a_prediction(1))
    with pytest.raises(InvalidInput):
        writer.append(dataclasses.replace(samples.a_prediction(2), **change))
    writer.append(samples.a_prediction(3))
    writer.close()
    assert all_records(tmp_path) == [samples.a_prediction(1), samples.a_prediction(3)]


def test_a_full_disk_is_told_and_leaves_no_torn_record(tmp_path):
    """The system's limit on file sizes stands in for the disk's end: a part of the record fits."""
    writer = WalWriter(tmp_path)
    writer.append(samples.a_prediction(1))
    (path,) = segments(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, before[1]))
        for _ in range(3):
            with pytest.raises(OSError, match="large") as caught:
                writer.append(samples.a_prediction(2))
            assert caught.value.errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    writer.append(samples.a_prediction(3))
    writer.close()
    assert all_records(tmp_path) == [samples.a_prediction(1), samples.a_prediction(3)]


def test_a_writer_that_starts_on_a_full_disk_waits_for_room(tmp_path):
    """A gateway that is started anew while the disk is full refuses requests; it does not stay away."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        writer = WalWriter(tmp_path / "gateway")
        for _ in range(2):
            with pytest.raises(OSError, match="large"):
                writer.append(samples.a_prediction(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    writer.append(samples.a_prediction(2))
    writer.close()
    assert all_records(tmp_path / "gateway") == [samples.a_prediction(2)]
    assert not list((tmp_path / "gateway").glob("*.new"))
    with pytest.raises(NotADirectoryError):
        WalWriter(segments(tmp_path / "gateway")[0] / "below")


def test_a_record_costs_microseconds(tmp_path):
    writer = WalWriter(tmp_path)
    record = samples.a_prediction(rows=1)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(1000):
            writer.append(record)
        best = min(best, (time.perf_counter() - started) / 1000)
    writer.close()
    assert best < 50e-6
