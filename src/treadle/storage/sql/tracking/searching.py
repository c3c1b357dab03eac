"""Conditions and orders as SQL, and pages that begin where the last one ended."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    collate,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)

from treadle.domain.errors import InvalidInput
from treadle.domain.search import AllOf, AnyOf, Column, Comparison, Condition, Op, Order, View
from treadle.domain.tracking_errors import bad_cursor

Scalar = str | int | float | tuple[str, ...] | None
Compare = Callable[[Comparison], ColumnElement[bool]]
LONGEST_PATTERN = 10_000
"""Characters of a pattern that SQLite matches itself."""

LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Term:
    """One expression of an order, never NULL."""

    expression: ColumnElement[Any]
    ascending: bool = True


@dataclass(frozen=True)
class Page:
    """Numbers of rows in order, and the way to the next."""

    numbers: Sequence[int]
    cursor: str | None


def compiled(condition: Condition, compare: Compare) -> ColumnElement[bool]:
    """A condition as SQL."""
    match condition:
        case AllOf(terms):
            return and_(true(), *(compiled(term, compare) for term in terms))
        case AnyOf(terms):
            return or_(false(), *(compiled(term, compare) for term in terms))
        case Comparison():
            return compare(condition)


def in_view(active: ColumnElement[bool], view: View) -> ColumnElement[bool]:
    """Which part of the rows is looked at."""
    if view is View.ALL:
        return true()
    return active == (true() if view is View.ACTIVE else false())


def terms(order: Sequence[Order], of: Callable[[Column], Sequence[tuple[ColumnElement[Any], bool]]]) -> list[Term]:
    """An order as terms. ``of`` gives a column's expressions, and whether each turns with the direction."""
    return [Term(expression, one.ascending or not turns) for one in order for expression, turns in of(one.column)]


def page(connection: Connection, statement: Select[Any], order: Sequence[Term], limit: int, cursor: str | None) -> Page:
    """Rows behind the cursor. The statement selects the number alone; the order makes every row's place unique."""
    expressions = [term.expression for term in order]
    wanted = statement.add_columns(*(e.label(f"o{i}") for i, e in enumerate(expressions)))
    if cursor is not None:
        wanted = wanted.where(_behind(order, read_cursor(cursor, len(order))))
    wanted = wanted.order_by(*(e.asc() if t.ascending else e.desc() for e, t in zip(expressions, order, strict=True)))
    rows = connection.execute(wanted.limit(limit + 1)).all()
    more = write_cursor(rows[limit - 1][1:]) if len(rows) > limit > 0 else None
    return Page([row[0] for row in rows[:limit]], more)


def write_cursor(values: Iterable[Any]) -> str:
    """The place behind a row as text."""
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode()).decode()


def read_cursor(cursor: str, length: int) -> list[Any]:
    """The inverse of :func:`write_cursor`. Raises InvalidInput."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError as error:
        raise bad_cursor(cursor) from error
    plain = isinstance(values, list) and all(type(value) in (str, int, float) for value in values)
    if not plain or len(values) != length or any(type(v) is int and abs(v) > LARGEST for v in values):
        raise bad_cursor(cursor)
    return list(values)


def _behind(order: Sequence[Term], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows after these values. The first term stands before the rest, so that its index can be used."""
    later: ColumnElement[bool] = false()
    for term, value in reversed(list(zip(order, values, strict=True))):
        at: ColumnElement[Any] = literal(value)
        beyond = term.expression > at if term.ascending else term.expression < at
        later = or_(beyond, and_(term.expression == at, later))
    first: ColumnElement[Any] = literal(values[0])
    bound = order[0].expression >= first if order[0].ascending else order[0].expression <= first
    return and_(bound, later)


def text_comparison(
    dialect: str, text: ColumnElement[Any], op: Op, value: Scalar, equals: Callable[[str], ColumnElement[bool]]
) -> ColumnElement[bool]:
    """A text that is there, compared. ``equals`` is its cheapest test of being equal."""
    if isinstance(value, tuple):
        among = or_(false(), *(equals(one) for one in value))
        return among if op is Op.IN else not_(among)
    if not isinstance(value, str):
        return true() if op is Op.NE else false()
    match op:
        case Op.EQ:
            return equals(value)
        case Op.NE:
            return not_(equals(value))
        case Op.LIKE | Op.ILIKE:
            return _like(dialect, text, value, ignore_case=op is Op.ILIKE)
        case _:
            return _ordered(text, op, value)


def number_comparison(
    number: ColumnElement[Any], op: Op, value: Scalar, nan: ColumnElement[bool] | None = None
) -> ColumnElement[bool]:
    """A number that is there, compared; ``nan`` says where it is none."""
    if not isinstance(value, (int, float)) or (isinstance(value, float) and math.isnan(value)):
        return true() if op is Op.NE else false()
    fitting = float(value) if abs(value) > LARGEST else value
    if op is Op.NE:
        return number != fitting if nan is None else or_(nan == true(), number != fitting)
    compares = number == fitting if op is Op.EQ else _ordered(number, op, fitting)
    return compares if nan is None else and_(nan == false(), compares)


def nullable(column: ColumnElement[Any], op: Op, compares: ColumnElement[bool]) -> ColumnElement[bool]:
    """A comparison of a column that may be NULL, which fulfils nothing but IS NULL."""
    if op is Op.IS_NULL:
        return column.is_(None)
    there = column.is_not(None)
    return there if op is Op.IS_NOT_NULL else and_(there, compares)


def plus(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column, but hidden from the planner: no index on it is used."""
    return column + 0


def mapped(column: ColumnElement[Any], names: dict[Any, str]) -> ColumnElement[Any]:
    """A column of codes as text."""
    return case(names, value=column, else_="")


def unknown(column: Column) -> InvalidInput:
    """The refusal of a column that cannot be searched or ordered by."""
    return InvalidInput(
        f"cannot search by {column.kind.value} {column.key!r}", hint="see the names that are searched in the reference"
    )


def _ordered(column: ColumnElement[Any], op: Op, value: Any) -> ColumnElement[bool]:
    compares: ColumnElement[bool] = false()
    match op:
        case Op.LT:
            compares = column < value
        case Op.LE:
            compares = column <= value
        case Op.GT:
            compares = column > value
        case Op.GE:
            compares = column >= value
    return compares


def _like(dialect: str, text: ColumnElement[Any], pattern: str, *, ignore_case: bool) -> ColumnElement[bool]:
    if dialect == "postgresql":
        if ignore_case:
            return collate(text, "und-x-icu").ilike(bindparam(None, pattern), escape="")
        return text.like(bindparam(None, pattern), escape="")
    if len(pattern) > LONGEST_PATTERN or (ignore_case and not pattern.isascii()):
        return func.treadle_like(text, pattern, ignore_case) == true()
    if ignore_case:
        return text.op("LIKE", is_comparison=True)(pattern)
    escaped = "".join({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}.get(c, c) for c in pattern)
    return text.op("GLOB", is_comparison=True)(escaped)
