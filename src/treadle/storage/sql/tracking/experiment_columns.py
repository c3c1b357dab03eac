"""What searches of experiments compare and order by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal, not_, select

from treadle.domain.search import Column, Comparison, Kind, Op
from treadle.storage.sql.tracking import searching
from treadle.storage.sql.tracking.tables import experiment_tags, experiments


class ExperimentColumns:
    """Comparisons and orders of experiments as SQL."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect

    def comparison(self, comparison: Comparison) -> ColumnElement[bool]:
        """Raises InvalidInput for an unknown column."""
        column, op, value = comparison.column, comparison.op, comparison.value
        if column.kind is Kind.TAG:
            tag = experiment_tags.c
            of = exists(select(tag.key).where(tag.experiment == experiments.c.number, tag.key == column.key))
            if op is Op.IS_NULL:
                return not_(of)
            if op is Op.IS_NOT_NULL:
                return of
            return of.where(
                searching.text_comparison(self._dialect, tag.value, op, value, lambda text: tag.value == text)
            )
        expression, numeric = _attribute(column)
        if op in (Op.IS_NULL, Op.IS_NOT_NULL):
            return searching.nullable(expression, op, expression.is_(None))
        if numeric:
            return searching.number_comparison(expression, op, value)
        return searching.text_comparison(self._dialect, expression, op, value, lambda text: expression == text)

    def sorted(self, column: Column) -> Sequence[tuple[ColumnElement[Any], bool]]:
        """The expressions of an order, and whether each turns with its direction. Raises InvalidInput."""
        if column.kind is Kind.TAG:
            tag = experiment_tags.c
            of = select(tag.value).where(tag.experiment == experiments.c.number, tag.key == column.key)
            value = of.scalar_subquery()
            return [(case((value.is_(None), 1), else_=0), False), (func.coalesce(value, literal("")), True)]
        return [(_attribute(column)[0], True)]


def _attribute(column: Column) -> tuple[ColumnElement[Any], bool]:
    e = experiments.c
    known: dict[str, tuple[ColumnElement[Any], bool]] = {
        "experiment_id": (e.number, True),
        "name": (e.name, False),
        "creation_time": (e.created, True),
        "last_update_time": (e.updated, True),
        "lifecycle_stage": (case((e.active, "active"), else_="deleted"), False),
    }
    if column.kind is not Kind.ATTRIBUTE or column.key not in known:
        raise searching.unknown(column)
    return known[column.key]
