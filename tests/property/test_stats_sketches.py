import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.domain import codec
from treadle.domain.data import ColumnProfile, Profile
from treadle.domain.errors import InvalidInput
from treadle.stats.sketches import MOST_BINS, align, describe_categories, describe_numbers, merge, merge_profiles

NUMBERS = st.one_of(
    st.floats(-1e6, 1e6),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-5, 5).map(float),
    st.floats(1.3e9, 1.4e9),
)
PARTS = st.lists(st.lists(NUMBERS, max_size=300), min_size=1, max_size=4)
WORDS = st.dictionaries(st.text(max_size=3), st.integers(1, 50), max_size=20)


def same(first: ColumnProfile, second: ColumnProfile) -> None:
    assert first.histogram == second.histogram
    assert (first.count, first.nulls, first.minimum, first.maximum) == (
        second.count, second.nulls, second.minimum, second.maximum)  # fmt: skip
    if first.mean is None or second.mean is None:
        assert first.mean == second.mean
        return
    scale = max(abs(first.minimum or 0), abs(first.maximum or 0))
    assert first.mean == pytest.approx(second.mean, rel=1e-9, abs=1e-9 * scale)
    assert first.variance == pytest.approx(second.variance, rel=1e-6, abs=1e-9 * scale**2)


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_merged_in_any_order_it_is_the_sketch_of_all_rows(parts: list[list[float]]) -> None:
    whole = describe_numbers("x", np.array(list(itertools.chain(*parts))), missing=2 * len(parts))
    sketches = [describe_numbers("x", np.array(p), missing=2) for p in parts]
    for order in itertools.islice(itertools.permutations(sketches), 6):
        left = order[0]
        for sketch in order[1:]:
            left = merge(left, sketch)
        right = order[-1]
        for sketch in reversed(order[:-1]):
            right = merge(sketch, right)
        same(left, whole)
        same(right, whole)


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=400))
def test_every_value_lies_in_its_bin(values: list[float]) -> None:
    sketch = describe_numbers("x", np.array(values))
    x = np.array([v for v in values if abs(v) <= 1e150])
    assert len(sketch.histogram) <= MOST_BINS
    assert sum(b.count for b in sketch.histogram) == len(x)
    for b in sketch.histogram:
        assert int(((x >= b.low) & (x < b.high)).sum()) == b.count
    assert codec.loads(ColumnProfile, codec.dumps(sketch)) == sketch


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_categories_merge_exactly(parts: list[dict[str, int]]) -> None:
    total: dict[str, int] = {}
    for part in parts:
        for word, count in part.items():
            total[word] = total.get(word, 0) + count
    whole = describe_categories("x", total, missing=len(parts))
    merged = None
    for part in parts:
        sketch = describe_categories("x", part, missing=1)
        merged = sketch if merged is None else merge(sketch, merged)
    assert merged == whole


def test_an_outlier_costs_one_bin() -> None:
    x = np.append(np.random.default_rng(0).normal(size=10_000), 1e7)
    sketch = describe_numbers("x", x)
    assert len(sketch.histogram) > 50
    assert sketch.histogram[-1].count == 1


def test_moments_are_chans() -> None:
    x = np.random.default_rng(0).normal(size=1000) + 1e6
    merged = merge(describe_numbers("x", x[:10]), describe_numbers("x", x[10:]))
    assert merged.mean == pytest.approx(x.mean(), rel=1e-15)
    assert merged.variance == pytest.approx(x.var(), rel=1e-9)


def test_many_categories_keep_the_frequent_ones() -> None:
    counts = {f"w{i}": 1000 - i for i in range(500)}
    sketch = describe_categories("x", counts)
    assert len(sketch.top) == 200
    assert sketch.other == sum(list(counts.values())[200:])
    assert sketch.distinct == 500
    twice = merge(sketch, sketch)
    assert twice.top == {word: 2 * count for word, count in sketch.top.items()}
    assert (twice.other, twice.distinct) == (2 * sketch.other, 500)


def test_aligned_counts_of_numbers_and_words() -> None:
    rng = np.random.default_rng(0)
    fine, coarse = describe_numbers("x", rng.normal(size=5000)), describe_numbers("x", rng.normal(size=3000) * 50)
    cells = align(fine, coarse)
    assert (cells.reference.sum(), cells.current.sum(), cells.ordered) == (5000, 3000, True)
    assert len(cells.labels) == len(cells.current)
    words = align(describe_categories("x", {"a": 3, "b": 1}), describe_categories("x", {"c": 2, "a": 1}))
    assert words.labels == ("a", "b", "(other)")
    assert (words.reference.tolist(), words.current.tolist()) == ([3, 1, 0], [1, 0, 2])
    empty = align(describe_numbers("x", np.zeros(0), 3), describe_numbers("x", np.ones(2)))
    assert (empty.reference.tolist(), empty.current.tolist()) == ([0], [2])


def test_a_column_that_one_side_lacks_is_missing_there() -> None:
    a = Profile(3, {"x": describe_numbers("x", np.ones(3))})
    b = Profile(2, {"y": describe_categories("y", {"k": 2})})
    both = merge_profiles(a, b)
    assert both.rows == 5
    assert {n: (c.count, c.nulls) for n, c in both.columns.items()} == {"x": (5, 2), "y": (5, 3)}


def test_different_columns_do_not_merge() -> None:
    with pytest.raises(InvalidInput, match="cannot merge"):
        merge(describe_numbers("x", np.ones(1)), describe_numbers("y", np.ones(1)))
    with pytest.raises(InvalidInput, match="was number and is text"):
        align(describe_numbers("x", np.ones(1)), describe_categories("x", {"a": 1}))


def test_nothing_but_missing_values() -> None:
    sketch = describe_numbers("x", np.array([math.nan, math.inf]), missing=1)
    assert (sketch.count, sketch.nulls, sketch.histogram) == (3, 3, ())
