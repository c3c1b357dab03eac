"""Finding runs.

How the database goes about it is decided here, because it has no statistics: by the rarest condition, where one is
rare; along the index of the metric that is ordered by, where none is; otherwise over all runs of the experiments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, false, func, literal, or_, select, true

from treadle.domain.search import EVERYTHING, AllOf, Comparison, Condition, Kind, Op, Order, View
from treadle.domain.tracking import DatasetSummary, Found, TrackedRun
from treadle.domain.tracking_errors import bad_cursor
from treadle.storage.sql.database import Database
from treadle.storage.sql.tracking import searching
from treadle.storage.sql.tracking.keys import ReadKeys
from treadle.storage.sql.tracking.run_columns import KEYED, RunColumns, extreme, whole
from treadle.storage.sql.tracking.run_reading import read_runs
from treadle.storage.sql.tracking.searching import Page, Term
from treadle.storage.sql.tracking.tables import (
    datasets,
    keys,
    run_comments,
    run_datasets,
    run_metrics,
    run_params,
    run_tags,
    runs,
)

PROBED = 20_000
"""So far runs that fulfil a condition are counted before a page is searched, to see how rare it is."""

COUNTED = 200_000
"""The same before a count."""

FEW = 1_000
"""So many runs are tried without a second thought."""

_VALUE, _NAN, _MISSING = range(3)


class SqlRunSearch:
    """``ports.tracking.RunSearch`` on SQL."""

    def __init__(self, database: Database, keys: ReadKeys) -> None:
        self._database = database
        self._keys = keys

    def search_runs(
        self,
        experiments: Sequence[str],
        condition: Condition = EVERYTHING,
        order: Sequence[Order] = (),
        *,
        text: str = "",
        view: View = View.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Found[TrackedRun]:
        """Runs of the experiments that fulfil a condition. Raises InvalidInput for a bad cursor."""
        with self._database.read() as connection:
            search = _Search(connection, self._keys, experiments, condition, text, view)
            page = search.page(order, limit, cursor)
            return Found(read_runs(connection, self._keys, page.numbers), page.cursor)

    def count_runs(
        self,
        experiments: Sequence[str],
        condition: Condition = EVERYTHING,
        *,
        text: str = "",
        view: View = View.ACTIVE,
    ) -> int:
        """How many a search finds."""
        with self._database.read() as connection:
            return _Search(connection, self._keys, experiments, condition, text, view).count()

    def search_datasets(self, experiments: Sequence[str], *, limit: int = 1000) -> Sequence[DatasetSummary]:
        """The data sets that active runs of the experiments used, each context apart."""
        columns = (runs.c.experiment, datasets.c.name, datasets.c.digest, run_datasets.c.context)
        found = (
            select(*columns)
            .join_from(run_datasets, runs, runs.c.number == run_datasets.c.run)
            .join(datasets, datasets.c.number == run_datasets.c.dataset)
            .where(_among(runs.c.experiment, experiments), runs.c.active == true())
            .distinct()
            .order_by(*columns)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [DatasetSummary(str(row[0]), *row[1:]) for row in connection.execute(found).all()]


class _Search:
    """One search, on one state of the database."""

    def __init__(
        self,
        connection: Connection,
        keys: ReadKeys,
        experiments: Sequence[str],
        condition: Condition,
        text: str,
        view: View,
    ) -> None:
        self._connection = connection
        self._columns = RunColumns(connection.dialect.name, lambda name: keys.number(connection, name))
        self._experiments = experiments
        self._terms = list(condition.terms) if isinstance(condition, AllOf) else [condition]
        self._view = searching.in_view(runs.c.active, view)
        self._words = [_mentions(word) for word in text.split()]

    def count(self) -> int:
        """How many runs there are."""
        leading = self._rarest(COUNTED)
        statement = self._filtered(select(func.count()), leading, hidden=leading is not None)
        return int(self._connection.execute(statement).scalar_one())

    def page(self, order: Sequence[Order], limit: int, cursor: str | None) -> Page:
        """The numbers of the runs on one page."""
        leading = self._worth_leading(order, limit)
        possible = bool(order) and order[0].column.kind in _ALONG
        # Pages go on as they began, though the counts may be others by now.
        if possible and (leading is None if cursor is None else cursor[1:2] == ":"):
            return self._along(order, limit, cursor)
        terms = [*searching.terms(order, self._columns.sorted), *_LAST]
        statement = self._filtered(select(runs.c.number), leading, hidden=leading is not None)
        return searching.page(self._connection, statement, terms, limit, cursor)

    def _along(self, order: Sequence[Order], limit: int, cursor: str | None) -> Page:
        """Along the index of what is ordered by first: runs with a value, then those with NaN, then those without."""
        first, key = order[0], self._columns.key(order[0].column.key)
        table = KEYED[first.column.kind]
        rest = [*searching.terms(order[1:], self._columns.sorted), *_LAST]
        part, behind = _VALUE, None
        if cursor is not None:
            part, behind = _read_part(cursor)
        numbers: list[int] = []
        while part <= _MISSING:
            if part == _MISSING:
                row = table.alias()
                without = exists(select(row.c.run).where(row.c.run == runs.c.number, row.c.key == key))
                statement, terms = self._filtered(select(runs.c.number)).where(~without), rest
            elif part == _NAN and table is not run_metrics:
                part, behind = _MISSING, None
                continue
            else:
                with_it = select(runs.c.number).join_from(table, runs, runs.c.number == table.c.run)
                with_it = with_it.where(table.c.key == key)
                if table is run_metrics:
                    with_it = with_it.where(_is_nan(first.column.kind, part == _NAN))
                statement = self._filtered(with_it, hidden=True, joined=True)
                terms = [*_value_terms(first), *rest] if part == _VALUE else rest
            found = searching.page(self._connection, statement, terms, limit - len(numbers), behind)
            numbers.extend(found.numbers)
            if found.cursor is not None:
                return Page(numbers, f"{part}:{found.cursor}")
            if len(numbers) == limit and part < _MISSING:
                return Page(numbers, f"{part + 1}:")
            part, behind = part + 1, None
        return Page(numbers, None)

    def _filtered(
        self, statement: Select[Any], leading: Comparison | None = None, *, hidden: bool = False, joined: bool = False
    ) -> Select[Any]:
        """The statement with scope and conditions. ``hidden`` keeps the planner from the index of the experiments."""
        if not joined:
            statement = statement.select_from(self._from(leading))
        for table, on in self._columns.joined:
            statement = statement.outerjoin(table, on)
        experiment: ColumnElement[Any] = runs.c.experiment
        scope = [_among(searching.plus(experiment) if hidden else experiment, self._experiments), self._view]
        if leading is not None:
            table = KEYED[leading.column.kind]
            scope += [table.c.key == self._columns.key(leading.column.key), self._columns.fulfils(leading, table)]
        rest = [searching.compiled(term, self._columns.comparison) for term in self._terms if term is not leading]
        return statement.where(*scope, *rest, *self._words)

    def _from(self, leading: Comparison | None) -> Any:
        if leading is None:
            return runs
        table = KEYED[leading.column.kind]
        return table.join(runs, runs.c.number == table.c.run)

    def _rarest(self, most: int) -> Comparison | None:
        """The condition that the fewest runs fulfil."""
        counts = self._counts(most)
        return min(counts, key=lambda one: one[1])[0] if counts else None

    def _worth_leading(self, order: Sequence[Order], limit: int) -> Comparison | None:
        """The rarest condition, where trying its runs is less work than going along the order until the page is full.

        Conditions are taken as independent of each other and of the order.
        """
        counts = self._counts(PROBED)
        if not counts:
            return None
        rarest, count = min(counts, key=lambda one: one[1])
        everything = max(int(self._connection.execute(select(func.max(runs.c.number))).scalar_one() or 0), 1)
        if order and order[0].column.kind not in _ALONG and order[0].column.key != "start_time":
            return rarest
        share = math.prod(min(1.0, fulfil / everything) for _, fulfil in counts)
        tried = everything * min(1.0, limit / max(share * everything, 1.0))
        return rarest if count <= max(tried, FEW) else None

    def _counts(self, most: int) -> list[tuple[Comparison, int]]:
        """How many runs, ``most`` at the most, fulfil each condition that an index knows."""
        found: list[tuple[Comparison, int]] = []
        for term in self._terms:
            if isinstance(term, Comparison) and _indexed(term):
                table = KEYED[term.column.kind]
                some = select(table.c.run).where(
                    table.c.key == self._columns.key(term.column.key), self._columns.fulfils(term, table)
                )
                counted = select(func.count()).select_from(some.limit(most).subquery())
                found.append((term, int(self._connection.execute(counted).scalar_one())))
        return found


_LAST = (Term(runs.c.started, ascending=False), Term(runs.c.id))


_ALONG = tuple(KEYED)
"""What has an index that an order can go along."""


def _is_nan(kind: Kind, wanted: bool) -> ColumnElement[bool]:
    if kind is Kind.METRIC:
        return run_metrics.c.nan == (true() if wanted else false())
    value = extreme(kind, run_metrics)
    return value.is_(None) if wanted else value.is_not(None)


def _value_terms(order: Order) -> list[Term]:
    table = KEYED[order.column.kind]
    if order.column.kind is Kind.METRIC:
        return [Term(run_metrics.c.value, order.ascending)]
    if table is run_metrics:
        return [Term(extreme(order.column.kind, run_metrics), order.ascending)]
    return [Term(table.c.head, order.ascending), Term(func.coalesce(table.c.rest, literal("")), order.ascending)]


def _indexed(term: Comparison) -> bool:
    """Whether the runs that fulfil a condition are found by an index alone."""
    if term.column.kind not in KEYED or term.op is Op.IS_NULL:
        return False
    if term.op is Op.IS_NOT_NULL:
        return True
    if KEYED[term.column.kind] is run_metrics:
        return term.op is not Op.NE
    return term.column.kind in (Kind.PARAM, Kind.TAG) and term.op in (Op.EQ, Op.IN)


def _among(experiment: ColumnElement[Any], wanted: Sequence[str]) -> ColumnElement[bool]:
    numbers = sorted({int(one) for one in wanted if one.isascii() and one.isdigit() and len(one) < 19})
    if len(numbers) == 1:
        return experiment == numbers[0]
    return experiment.in_(numbers)


def _mentions(word: str) -> ColumnElement[bool]:
    """Runs that have a word in their name, params, tags or comments."""
    places: list[ColumnElement[bool]] = [runs.c.name.icontains(word, autoescape=True)]
    named = select(keys.c.number).where(keys.c.text.icontains(word, autoescape=True))
    for t in (run_params.alias(), run_tags.alias()):
        of = select(t.c.run).where(t.c.run == runs.c.number)
        places.append(exists(of.where(or_(t.c.key.in_(named), whole(t).icontains(word, autoescape=True)))))
    said = select(run_comments.c.run).where(run_comments.c.run == runs.c.number)
    places.append(exists(said.where(run_comments.c.text.icontains(word, autoescape=True))))
    return or_(*places)


def _read_part(cursor: str) -> tuple[int, str | None]:
    part, _, behind = cursor.partition(":")
    if part not in ("0", "1", "2"):
        raise bad_cursor(cursor)
    return int(part), behind or None
