"""What searches of runs compare and order by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from treadle.domain.search import Column, Comparison, Kind, Op
from treadle.domain.tracking import Status
from treadle.storage.sql.tracking import searching
from treadle.storage.sql.tracking.tables import (
    HEAD,
    datasets,
    experiments,
    run_datasets,
    run_metrics,
    run_params,
    run_tags,
    runs,
)

CODES = {Status.RUNNING: 1, Status.SCHEDULED: 2, Status.FINISHED: 3, Status.FAILED: 4, Status.KILLED: 5}
"""Statuses as they are stored."""

KEYED = {
    Kind.METRIC: run_metrics,
    Kind.MIN: run_metrics,
    Kind.MAX: run_metrics,
    Kind.PARAM: run_params,
    Kind.TAG: run_tags,
}
"""Where what has a name of its own is kept: one row for each run and name."""

KeyNumber = Callable[[str], int]


@dataclass
class RunColumns:
    """Comparisons and orders of runs as SQL; ``joined`` are the tables that orders need beside the runs."""

    dialect: str
    key: KeyNumber
    joined: list[tuple[FromClause, ColumnElement[bool]]] = field(default_factory=list)

    def comparison(self, comparison: Comparison) -> ColumnElement[bool]:
        """Raises InvalidInput for an unknown column."""
        column, op, value = comparison.column, comparison.op, comparison.value
        if column.kind in KEYED:
            # Under a name of its own: the search may lead from the very same table.
            row = KEYED[column.kind].alias()
            of = select(row.c.run).where(row.c.run == runs.c.number, row.c.key == self.key(column.key))
            return not_(exists(of)) if op is Op.IS_NULL else exists(of.where(self.fulfils(comparison, row)))
        if column.kind is Kind.DATASET:
            return self._dataset(comparison)
        text = _texts().get(column.key)
        if text is not None:
            if op in (Op.IS_NULL, Op.IS_NOT_NULL):
                return true() if op is Op.IS_NOT_NULL else false()
            equals = _same_status if column.key == "status" else lambda one: text == one
            return searching.text_comparison(self.dialect, text, op, value, equals)
        number = _number(column)
        compares = true() if op in (Op.IS_NULL, Op.IS_NOT_NULL) else searching.number_comparison(number, op, value)
        return searching.nullable(number, op, compares)

    def fulfils(self, comparison: Comparison, table: FromClause) -> ColumnElement[bool]:
        """A comparison of a row of a keyed table, without run and key; the row is there."""
        column, op, value = comparison.column, comparison.op, comparison.value
        if op is Op.IS_NOT_NULL:
            return true()
        if column.kind not in (Kind.PARAM, Kind.TAG):
            number, nan = _metric(column.kind, table)
            return searching.number_comparison(number, op, value, nan)
        return searching.text_comparison(self.dialect, whole(table), op, value, lambda text: _equals(table, text))

    def sorted(self, column: Column) -> Sequence[tuple[ColumnElement[Any], bool]]:
        """The expressions of an order, and whether each turns with its direction. Raises InvalidInput."""
        if column.kind in KEYED:
            return self._sorted_key(column)
        if column.kind is Kind.DATASET:
            raise searching.unknown(column)
        text = _texts().get(column.key)
        if text is not None:
            return [(text, True)]
        number = _number(column)
        if column.key != "end_time":
            return [(number, True)]
        return [(case((number.is_(None), 1), else_=0), False), (func.coalesce(number, 0), True)]

    def _sorted_key(self, column: Column) -> Sequence[tuple[ColumnElement[Any], bool]]:
        row = KEYED[column.kind].alias(f"order_{len(self.joined)}")
        self.joined.append((row, and_(row.c.run == runs.c.number, row.c.key == self.key(column.key))))
        missing = row.c.run.is_(None)
        if column.kind in (Kind.PARAM, Kind.TAG):
            values = [func.coalesce(row.c.head, literal("")), func.coalesce(row.c.rest, literal(""))]
            return [(case((missing, 1), else_=0), False), *((value, True) for value in values)]
        number, nan = _metric(column.kind, row)
        value = case((or_(missing, nan == true()), 0.0), else_=number)
        return [(case((missing, 2), (nan == true(), 1), else_=0), False), (value, True)]

    def _dataset(self, comparison: Comparison) -> ColumnElement[bool]:
        known = {"name": datasets.c.name, "digest": datasets.c.digest, "context": run_datasets.c.context}
        if comparison.column.key not in known:
            raise searching.unknown(comparison.column)
        text = known[comparison.column.key]
        used = select(run_datasets.c.run).join_from(run_datasets, datasets, datasets.c.number == run_datasets.c.dataset)
        used = used.where(run_datasets.c.run == runs.c.number, text.is_not(None))
        if comparison.op is Op.IS_NULL:
            return not_(exists(used))
        if comparison.op is Op.IS_NOT_NULL:
            return exists(used)
        compares = searching.text_comparison(
            self.dialect, text, comparison.op, comparison.value, lambda one: text == one
        )
        return exists(used.where(compares))


def whole(table: FromClause) -> ColumnElement[Any]:
    """The value of a param or a tag in one piece."""
    return table.c.head.concat(func.coalesce(table.c.rest, literal("")))


def halves(value: str) -> tuple[str, str | None]:
    """A value as it is kept."""
    return value[:HEAD], value[HEAD:] or None


def _equals(table: FromClause, text: str) -> ColumnElement[bool]:
    head, rest = halves(text)
    tail: ColumnElement[bool] = table.c.rest.is_(None) if rest is None else table.c.rest == rest
    return and_(table.c.head == head, tail)


def _metric(kind: Kind, table: FromClause) -> tuple[ColumnElement[Any], ColumnElement[bool]]:
    if kind is Kind.METRIC:
        return table.c.value, table.c.nan
    column = extreme(kind, table)
    return column, column.is_(None)


def extreme(kind: Kind, table: FromClause) -> ColumnElement[Any]:
    """The least or the greatest value of a metric; NULL where only NaN was logged."""
    column: ColumnElement[Any] = table.c.least if kind is Kind.MIN else table.c.greatest
    return column


def _same_status(text: str) -> ColumnElement[bool]:
    return runs.c.status == next((code for status, code in CODES.items() if status.value == text), 0)


def _texts() -> dict[str, ColumnElement[Any]]:
    location = select(experiments.c.artifact_location).where(experiments.c.number == runs.c.experiment)
    derived = location.scalar_subquery().concat("/").concat(runs.c.id).concat("/artifacts")
    return {
        "run_id": runs.c.id,
        "run_name": runs.c.name,
        "user_id": runs.c.user_id,
        "status": searching.mapped(runs.c.status, {code: status.value for status, code in CODES.items()}),
        "artifact_uri": func.coalesce(runs.c.artifact_uri, derived),
        "experiment_id": cast(runs.c.experiment, String),
        "lifecycle_stage": case((runs.c.active == true(), "active"), else_="deleted"),
    }


def _number(column: Column) -> ColumnElement[Any]:
    known = {"start_time": runs.c.started, "end_time": runs.c.ended}
    if column.kind is not Kind.ATTRIBUTE or column.key not in known:
        raise searching.unknown(column)
    return known[column.key]
