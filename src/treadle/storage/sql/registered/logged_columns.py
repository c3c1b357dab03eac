"""What searches of logged models compare and order by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, exists, false, func, literal, or_, select, true

from treadle.domain.logged_models import MeasuredOn, ModelOrder, ModelStatus
from treadle.domain.search import Column, Comparison, Condition, Kind, Op, columns
from treadle.storage.sql.registered.columns import nulls_last
from treadle.storage.sql.registered.tables import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from treadle.storage.sql.tracking import searching

_L, _P = logged_models.c, logged_model_metrics.c
_STATUS: dict[Any, str] = {status.value: status.name for status in ModelStatus}


class LoggedModelColumns:
    """Comparisons and orders as SQL; metrics count where they were measured on one of the data sets."""

    def __init__(self, dialect: str, datasets: Sequence[MeasuredOn]) -> None:
        self._dialect = dialect
        self._on = or_(false(), *map(_measured_on, datasets)) if datasets else true()

    def comparison(self, comparison: Comparison) -> ColumnElement[bool]:
        """Raises InvalidInput for an unknown column."""
        column, op, value = comparison.column, comparison.op, comparison.value
        match column.kind:
            case Kind.METRIC:
                there = self._points(column.key)
                compares = searching.number_comparison(_P.value, op, value, _P.nan)
                return _asked(there, op, compares)
            case Kind.PARAM | Kind.TAG:
                table = _pairs(column.kind)
                there = select(table.c.key).where(table.c.model == _L.number, table.c.key == column.key)
                return _asked(there, op, self._text(table.c.value, comparison))
        expression, numeric = _attribute(column)
        compares = searching.number_comparison(expression, op, value) if numeric else self._text(expression, comparison)
        return searching.nullable(expression, op, compares)

    def measured(self) -> ColumnElement[bool]:
        """Whether anything was measured on the data sets."""
        return exists(select(_P.key).where(_P.model_id == _L.id, self._on))

    def terms(self, order: Sequence[ModelOrder]) -> list[searching.Term]:
        """An order as terms. Raises InvalidInput."""
        found = []
        for one in order:
            for expression, turns in _sorted(one):
                found.append(searching.Term(expression, one.order.ascending or not turns))
        return found

    def _points(self, key: str) -> Any:
        return select(_P.key).where(_P.model_id == _L.id, _P.key == key, self._on)

    def _text(self, text: ColumnElement[Any], comparison: Comparison) -> ColumnElement[bool]:
        return searching.text_comparison(
            self._dialect, text, comparison.op, comparison.value, lambda wanted: text == wanted
        )


def measures(condition: Condition) -> bool:
    """Whether a condition looks at metrics."""
    return any(column.kind is Kind.METRIC for column in columns(condition))


def _asked(there: Any, op: Op, compares: ColumnElement[bool]) -> ColumnElement[bool]:
    if op is Op.IS_NULL:
        return ~exists(there)
    return exists(there) if op is Op.IS_NOT_NULL else exists(there.where(compares))


def _measured_on(dataset: MeasuredOn) -> ColumnElement[bool]:
    return and_(
        true() if dataset.name is None else _P.dataset_name == dataset.name,
        true() if dataset.digest is None else _P.dataset_digest == dataset.digest,
    )


def _sorted(one: ModelOrder) -> Sequence[tuple[ColumnElement[Any], bool]]:
    column = one.order.column
    if column.kind is Kind.METRIC:
        newest = (
            select(_P.value)
            .where(_P.model_id == _L.id, _P.key == column.key, _measured_on(one.on))
            .order_by(_P.timestamp.desc(), _P.step.desc(), _P.run)
            .limit(1)
        )
        nan = newest.with_only_columns(_P.nan).scalar_subquery()
        value = newest.scalar_subquery()
        rank = case((value.is_(None), 2), (nan == true(), 1), else_=0)
        return [(rank, False), (func.coalesce(value, literal(0.0)), True)]
    if column.kind in (Kind.PARAM, Kind.TAG):
        table = _pairs(column.kind)
        text = select(table.c.value).where(table.c.model == _L.number, table.c.key == column.key).scalar_subquery()
        return nulls_last(text, literal(""))
    expression, numeric = _attribute(column)
    return nulls_last(expression, literal(0) if numeric else literal(""))


def _pairs(kind: Kind) -> Table:
    return logged_model_params if kind is Kind.PARAM else logged_model_tags


def _attribute(column: Column) -> tuple[ColumnElement[Any], bool]:
    known: dict[str, tuple[ColumnElement[Any], bool]] = {
        "name": (_L.name, False),
        "model_id": (_L.id, False),
        "model_type": (_L.model_type, False),
        "status": (searching.mapped(_L.status, _STATUS), False),
        "source_run_id": (_L.source_run, False),
        "experiment_id": (_L.experiment, False),
        "artifact_location": (_L.artifact_location, False),
        "creation_timestamp": (_L.created, True),
        "last_updated_timestamp": (_L.updated, True),
    }
    if column.kind is not Kind.ATTRIBUTE or column.key not in known:
        raise searching.unknown(column)
    return known[column.key]
