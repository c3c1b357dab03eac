from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from treadle.data.snapshots import SnapshotStore, content_digest, ordered, partitions
from treadle.domain.errors import CorruptData, NotFound
from treadle.spec.model_spec import ModelSpec

MakeSpec = Callable[..., ModelSpec]
MakeRows = Callable[..., pl.DataFrame]


def test_content_digest_covers_values_as_it_says() -> None:
    frame = pl.DataFrame(
        {
            "text": ["a", None, "", "é"],
            "number": [1.5, -0.0, None, 2.0],
            "count": [1, None, -3, 4],
            "flag": [True, None, False, True],
            "at": pl.Series([0, 1, None, 2], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
        }
    )
    spelt = (
        b"text\0str\x004\0" + bytes([0b01000000]) + struct.pack("<4q", 1, 0, 0, 2) + "aé".encode(),
        b"number\0float\x004\0" + bytes([0b00100000]) + struct.pack("<4d", 1.5, 0.0, 0.0, 2.0),
        b"count\0int\x004\0" + bytes([0b01000000]) + struct.pack("<4q", 1, 0, -3, 4),
        b"flag\0bool\x004\0" + bytes([0b01000000, 0b10010000]),
        b"at\0datetime\x004\0" + bytes([0b00100000]) + struct.pack("<4q", 0, 1, 0, 2),
    )
    assert content_digest(frame) == hashlib.sha256(b"".join(spelt)).hexdigest()
    assert content_digest(frame.with_columns(pl.col("number").abs())) == content_digest(frame)


def test_content_digest_sees_every_value() -> None:
    frame = pl.DataFrame({"a": ["x", "yz", None], "b": [1.0, None, 0.0]})
    others = [
        frame.with_columns(a=pl.Series(["xy", "z", None])),
        frame.with_columns(a=pl.Series(["x", "yz", ""])),
        frame.with_columns(b=pl.Series([1.0, 0.0, None])),
        frame.rename({"a": "c"}),
        frame.with_columns(pl.col("b").cast(pl.Int64)),
        frame.head(2),
        frame.select("b", "a"),
    ]
    digests = {content_digest(each) for each in [frame, *others]}
    assert len(digests) == len(others) + 1


def test_content_digest_does_not_see_chunks(make_rows: MakeRows) -> None:
    rows = make_rows()
    cut = pl.concat([rows.head(100), rows.slice(100, 1), rows.slice(101)], rechunk=False)
    assert cut.n_chunks() == 3
    assert content_digest(cut) == content_digest(rows)


def test_partitions_are_months(make_rows: MakeRows) -> None:
    rows = make_rows()
    parts = list(partitions(rows, "at"))
    assert [name for name, _ in parts] == ["2024-01", "2024-02", "2024-03"]
    assert pl.concat([part for _, part in parts]).equals(rows)
    assert [name for name, _ in partitions(rows, None)] == ["all"]
    assert list(partitions(rows.head(0), "at")) == []


def test_ordered_without_a_key(make_rows: MakeRows, make_spec: MakeSpec) -> None:
    rows, spec = make_rows(), make_spec(key=None)
    twice = pl.concat([rows, rows.with_columns(amount=pl.lit(1.0))])
    shuffled = twice.sample(fraction=1.0, shuffle=True, seed=3)
    assert ordered(shuffled, spec).equals(ordered(twice, spec))
    untimed = make_spec(key=None, time=None)
    assert ordered(shuffled, untimed).equals(shuffled)


def test_load_tells_of_lost_and_wrong_blobs(
    shop: Any, make_spec: MakeSpec, make_rows: MakeRows, as_of: datetime
) -> None:
    store = SnapshotStore(shop.blobs, shop.snapshots)
    snapshot = store.take(make_spec(), make_rows(), as_of, "code")
    assert store.load(snapshot).equals(make_rows())
    with pytest.raises(CorruptData, match="its record says 801"):
        store.load(replace(snapshot, rows=801))
    shop.blobs.delete(snapshot.chunks[0].blob)
    with pytest.raises(NotFound):
        store.load(snapshot)
