from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.domain.errors import CorruptData
from treadle.runner.tensors import pack, pack_scores, unpack, unpack_scores

TYPES = {"text": "str", "number": "float", "count": "int", "flag": "bool", "when": "datetime"}
_row = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(),
        "number": st.none() | st.floats(allow_nan=False),
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        "flag": st.none() | st.booleans(),
        "when": st.none() | st.just("2013-03-01T09:30:00Z"),
    }
)


@given(st.lists(_row, max_size=6))
def test_columns_come_back_as_they_went(rows: list[dict[str, Any]]) -> None:
    columns = {name: [row[name] for row in rows] for name in TYPES}
    assert unpack(*pack(columns, TYPES), len(rows)) == columns


@given(st.lists(st.floats(allow_nan=False)), st.integers(1, 4))
def test_scores_come_back_as_they_went(scores: list[float], width: int) -> None:
    assert unpack_scores(*pack_scores(scores)) == scores
    matrix = [[score] * width for score in scores]
    assert unpack_scores(*pack_scores(matrix)) == matrix


@pytest.mark.parametrize(
    ("described", "buffers"),
    [
        ([["x", "float", False]], []),
        ([["x", "float", False]], [b"1234567"]),
        ([["x", "float", False]], [bytes(16)]),
        ([["x", "float", True]], [bytes(8), b"\0\0"]),
        ([["x", "colour", False]], [bytes(8)]),
        ([["x", "text", False]], [b"{"]),
        ([["x"]], [bytes(8)]),
    ],
)
def test_buffers_that_do_not_fit_are_told(described: Any, buffers: list[bytes]) -> None:
    with pytest.raises(CorruptData, match="cannot be read as 1 rows"):
        unpack(described, buffers, 1)


def test_scores_that_do_not_fit_are_told() -> None:
    with pytest.raises(CorruptData):
        unpack_scores([2], bytes(8))
    with pytest.raises(CorruptData):
        unpack_scores([1], bytes(7))
