"""Points packed into bytes."""

import math
import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.domain.errors import CorruptData
from treadle.storage.sql.tracking import chunks

whole = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
points = st.lists(st.tuples(whole, whole, st.floats()), max_size=40)


def texts(columns: chunks.Columns) -> list[tuple[int, int, str]]:
    return [(step, at, repr(value)) for step, at, value in columns.points()]


@given(points)
def test_any_points_come_back(raw):
    packed = chunks.columns_of(raw)
    assert texts(chunks.decode(chunks.encode(packed))) == texts(packed)


@given(points)
def test_order_is_total_and_drops_what_stands_twice(raw):
    found = chunks.in_order(raw + raw)
    ranks = [chunks.rank(point) for point in found]
    assert ranks == sorted(set(ranks))
    assert set(ranks) == {chunks.rank(point) for point in raw}


@pytest.mark.parametrize(
    ("steps", "ats", "most"),
    [
        (range(1000), [1_700_000_000_000] * 1000, 8),
        (range(0, 50_000, 50), range(1_700_000_000_000, 1_700_001_000_000, 1000), 8),
        (range(1000), [1_700_000_000_000 + i * 37 + i % 7 for i in range(1000)], 9),
    ],
)
def test_chunks_are_small(steps, ats, most):
    chance = random.Random(1)
    columns = chunks.Columns(array("q", steps), array("q", ats), array("d", [chance.random() for _ in steps]))
    assert len(chunks.encode(columns)) < most * 1000


def test_bytes_that_are_no_points_are_told():
    good = chunks.encode(chunks.columns_of([(i, i * i, i / 3) for i in range(50)]))
    for bad in (
        b"",
        b"x",
        good[:-1],
        b"\x09" + good[1:],
        good[:20] + b"\xff" + good[21:],
        good[:5] + b"\x07" + good[6:],
    ):
        with pytest.raises(CorruptData):
            chunks.decode(bad)


def test_bits_of_floats():
    for value in (0.0, -0.0, 1.5, math.inf, -math.inf, 5e-324):
        assert repr(chunks.from_bits(chunks.bits(value))) == repr(value)
    assert math.isnan(chunks.from_bits(chunks.bits(-math.nan)))
    assert chunks.bits(math.nan) == chunks.bits(-math.nan)
