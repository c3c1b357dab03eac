"""What conditions and orders mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from treadle.domain.search import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Column,
    Comparison,
    Kind,
    Op,
    Order,
    Scalar,
    columns,
    holds,
    in_order,
)

LOSS = Column(Kind.METRIC, "loss")
NAME = Column(Kind.ATTRIBUTE, "run_name")
DATASET = Column(Kind.DATASET, "name")
RECORD: dict[Column, Sequence[Scalar]] = {LOSS: (0.5,), NAME: ("Night % run\n",), DATASET: ("train", "test")}


def read(column: Column) -> Sequence[Scalar]:
    return RECORD.get(column, ())


@pytest.mark.parametrize(
    ("column", "op", "value", "expected"),
    [
        (LOSS, Op.LT, 1, True),
        (LOSS, Op.GE, 0.5, True),
        (LOSS, Op.GT, 0.5, False),
        (LOSS, Op.NE, 0.5, False),
        (NAME, Op.LIKE, "Night%", True),
        (NAME, Op.LIKE, "night%", False),
        (NAME, Op.ILIKE, "night _ RUN_", True),
        (NAME, Op.IN, ("a", "b"), False),
        (NAME, Op.NOT_IN, ("a", "b"), True),
        (NAME, Op.GT, "Morning", True),
        (DATASET, Op.EQ, "test", True),
        (DATASET, Op.NE, "test", True),
        (DATASET, Op.IN, ("test",), True),
        (Column(Kind.TAG, "gone"), Op.NE, "x", False),
        (Column(Kind.TAG, "gone"), Op.NOT_IN, ("x",), False),
        (Column(Kind.TAG, "gone"), Op.IS_NULL, None, True),
        (NAME, Op.IS_NOT_NULL, None, True),
        (LOSS, Op.LT, "text", False),
    ],
)
def test_comparison(column: Column, op: Op, value: Scalar | tuple[str, ...] | None, expected: bool) -> None:
    assert holds(Comparison(column, op, value), read) is expected


def test_nan_differs_from_everything_and_fulfils_nothing_else() -> None:
    found = {
        op for op in (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE) if holds(Comparison(LOSS, op, 0), lambda _: (math.nan,))
    }
    assert found == {Op.NE}


def test_and_or() -> None:
    yes, no = Comparison(LOSS, Op.LT, 1), Comparison(LOSS, Op.GT, 1)
    assert holds(EVERYTHING, read)
    assert not holds(AnyOf(()), read)
    assert holds(AnyOf((no, yes)), read)
    assert not holds(AllOf((no, yes)), read)
    assert columns(AllOf((no, AnyOf((Comparison(NAME, Op.EQ, "x"),))))) == {LOSS, NAME}


@pytest.mark.parametrize(("ascending", "expected"), [(True, "bcaed"), (False, "acbed")])
def test_missing_comes_last_and_nan_before_it(ascending: bool, expected: str) -> None:
    values = {"a": (3.0,), "b": (1.0,), "c": (2.0,), "d": (), "e": (math.nan,)}
    assert "".join(in_order(values, [Order(LOSS, ascending)], lambda name: lambda _: values[name])) == expected


def test_what_is_equal_stays_as_it_came() -> None:
    values: dict[str, Sequence[Scalar]] = {"a": ("x",), "b": ("x",), "c": ("y",)}
    assert in_order(values, [Order(NAME, ascending=False)], lambda name: lambda _: values[name]) == ["c", "a", "b"]
