"""Searching runs, experiments and models: conditions, orders, and what they mean.

The text of a filter is parsed by its protocol; a store compiles the conditions to its own language. `holds` and
`in_order` say what both must mean: they are the reference that stores are held against, and what doubles use.

A column without a value fulfils no comparison but ``IS NULL``. A column may have several values (the names of a run's
data sets): a comparison holds if it holds for one of them. NaN fulfils ``!=`` alone.
"""

from __future__ import annotations

import enum
import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Record = TypeVar("Record")
Scalar = str | int | float


class Kind(enum.Enum):
    """What a column belongs to. A metric stands for its last value; ``MIN`` and ``MAX`` for its least and greatest."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    MIN = "min"
    MAX = "max"
    PARAM = "parameter"
    TAG = "tag"
    DATASET = "dataset"


class Op(enum.Enum):
    """How a column is compared. ``LIKE`` knows ``%`` (any text) and ``_`` (one character) and minds the case."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


class View(enum.Enum):
    """Which part of the records is searched, by their life."""

    ACTIVE = "ACTIVE_ONLY"
    DELETED = "DELETED_ONLY"
    ALL = "ALL"


@dataclass(frozen=True)
class Column:
    """One thing that can be compared or ordered by: ``METRIC`` with ``key`` loss."""

    kind: Kind
    key: str


@dataclass(frozen=True)
class Comparison:
    """``value`` is a number for numeric columns, texts for ``IN`` and ``NOT IN``, ``None`` for the null checks."""

    column: Column
    op: Op
    value: Scalar | tuple[str, ...] | None = None


@dataclass(frozen=True)
class AllOf:
    """Holds where all terms hold; without terms, everywhere."""

    terms: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """Holds where one of the terms holds; without terms, nowhere."""

    terms: tuple[Condition, ...]


Condition = Comparison | AllOf | AnyOf
EVERYTHING = AllOf()
"""The condition without terms."""


@dataclass(frozen=True)
class Order:
    """One term of an order. Whichever way it goes, NaN comes after the numbers and what is missing comes last."""

    column: Column
    ascending: bool = True


Read = Callable[[Column], Sequence[Scalar]]
"""The values of a column of one record: none where it is missing, several for data sets."""


def holds(condition: Condition, read: Read) -> bool:
    """Whether a record fulfils a condition. ``read`` gives the record's values."""
    match condition:
        case AllOf(terms):
            return all(holds(term, read) for term in terms)
        case AnyOf(terms):
            return any(holds(term, read) for term in terms)
        case Comparison(column, Op.IS_NULL):
            return not read(column)
        case Comparison(column, Op.IS_NOT_NULL):
            return bool(read(column))
        case Comparison(column, op, value):
            return any(_compares(op, found, value) for found in read(column))


def columns(condition: Condition) -> frozenset[Column]:
    """Every column that a condition looks at."""
    if isinstance(condition, Comparison):
        return frozenset({condition.column})
    return frozenset(column for term in condition.terms for column in columns(term))


@functools.lru_cache(maxsize=256)
def like(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """A pattern of ``LIKE`` as a regular expression for ``fullmatch``."""
    parts = {"%": ".*", "_": "."}
    text = "".join(parts.get(character, re.escape(character)) for character in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG))


def in_order(records: Iterable[Record], order: Sequence[Order], read: Callable[[Record], Read]) -> list[Record]:
    """Records in an order; what is equal stays as it came."""
    found = list(records)
    for term in reversed(order):
        ranked = [(_rank(read(record)(term.column)), record) for record in found]
        ranked.sort(key=lambda pair: pair[0][1:], reverse=not term.ascending)
        ranked.sort(key=lambda pair: pair[0][0])
        found = [record for _, record in ranked]
    return found


def _rank(values: Sequence[Scalar]) -> tuple[int, float, str]:
    if not values:
        return 2, 0.0, ""
    value = values[0]
    if isinstance(value, str):
        return 0, 0.0, value
    return (1, 0.0, "") if math.isnan(value) else (0, value, "")


def _compares(op: Op, found: Scalar, value: Scalar | tuple[str, ...] | None) -> bool:
    if op is Op.EQ:
        return found == value
    if op is Op.NE:
        return found != value
    if isinstance(value, tuple):
        return (found in value) is (op is Op.IN)
    if op in (Op.LIKE, Op.ILIKE):
        return like(str(value), ignore_case=op is Op.ILIKE).fullmatch(str(found)) is not None
    if isinstance(found, str) and isinstance(value, str):
        return _ordered(op, (found > value) - (found < value))
    if isinstance(found, str) or isinstance(value, str) or value is None or math.isnan(found):
        return False
    return _ordered(op, (found > value) - (found < value))


def _ordered(op: Op, sign: int) -> bool:
    match op:
        case Op.LT:
            return sign < 0
        case Op.LE:
            return sign <= 0
        case Op.GT:
            return sign > 0
        case _:
            return op is Op.GE and sign >= 0
