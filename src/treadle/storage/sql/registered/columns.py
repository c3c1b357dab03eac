"""What searches of the registry compare and order by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, exists, func, literal, not_, select

from treadle.domain.search import Column, Comparison, Kind, Op
from treadle.storage.sql.registered.tables import (
    registered_model_tags,
    registered_models,
    registered_version_tags,
    registered_versions,
)
from treadle.storage.sql.tracking import searching

Known = Mapping[str, tuple[ColumnElement[Any], bool]]
"""Attributes: the expression, and whether it is a number."""


class RegistryColumns:
    """Comparisons and orders as SQL, over attributes and one table of tags."""

    def __init__(self, dialect: str, attributes: Known, tags: Table, joined: ColumnElement[bool]) -> None:
        self._dialect = dialect
        self._attributes = attributes
        self._tags = tags
        self._joined = joined

    def comparison(self, comparison: Comparison) -> ColumnElement[bool]:
        """Raises InvalidInput for an unknown column."""
        column, op, value = comparison.column, comparison.op, comparison.value
        if column.kind is Kind.TAG:
            tag = self._tags.c
            of = exists(select(tag.key).where(self._joined, tag.key == column.key))
            if op is Op.IS_NULL:
                return not_(of)
            if op is Op.IS_NOT_NULL:
                return of
            return of.where(
                searching.text_comparison(self._dialect, tag.value, op, value, lambda text: tag.value == text)
            )
        expression, numeric = self._attribute(column)
        if op in (Op.IS_NULL, Op.IS_NOT_NULL):
            return searching.nullable(expression, op, expression.is_(None))
        if numeric:
            return searching.number_comparison(expression, op, value)
        compares = searching.text_comparison(self._dialect, expression, op, value, lambda text: expression == text)
        return searching.nullable(expression, op, compares)

    def sorted(self, column: Column) -> Sequence[tuple[ColumnElement[Any], bool]]:
        """The expressions of an order, and whether each turns with its direction. Raises InvalidInput."""
        if column.kind is Kind.TAG:
            tag = self._tags.c
            value: ColumnElement[Any] = (
                select(tag.value).where(self._joined, tag.key == column.key).correlate_except(self._tags)
            ).scalar_subquery()
            return nulls_last(value, literal(""))
        return [(self._attribute(column)[0], True)]

    def _attribute(self, column: Column) -> tuple[ColumnElement[Any], bool]:
        if column.kind is not Kind.ATTRIBUTE or column.key not in self._attributes:
            raise searching.unknown(column)
        return self._attributes[column.key]


def nulls_last(value: ColumnElement[Any], otherwise: ColumnElement[Any]) -> Sequence[tuple[ColumnElement[Any], bool]]:
    """An expression that may be NULL as two of an order that never are."""
    return [(case((value.is_(None), 1), else_=0), False), (func.coalesce(value, otherwise), True)]


class ModelColumns(RegistryColumns):
    """Of registered models."""

    def __init__(self, dialect: str) -> None:
        m = registered_models.c
        attributes: Known = {
            "name": (m.name, False),
            "creation_timestamp": (m.created, True),
            "last_updated_timestamp": (m.updated, True),
        }
        super().__init__(dialect, attributes, registered_model_tags, registered_model_tags.c.model == m.number)


class VersionColumns(RegistryColumns):
    """Of versions, joined with their models."""

    def __init__(self, dialect: str) -> None:
        v, t = registered_versions.c, registered_version_tags.c
        attributes: Known = {
            "name": (registered_models.c.name, False),
            "version_number": (v.version, True),
            "run_id": (v.run, False),
            "source_path": (v.source, False),
            "creation_timestamp": (v.created, True),
            "last_updated_timestamp": (v.updated, True),
        }
        joined = and_(t.model == v.model, t.version == v.version)
        super().__init__(dialect, attributes, registered_version_tags, joined)
