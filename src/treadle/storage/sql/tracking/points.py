"""Writing curves: single points go to a tail of rows, batches become chunks, and what is loose is folded into chunks.

Writing never looks at the points that are there. A point that is logged again stands twice until its part of the curve
is folded; reading takes identical points as one, always. A reader sees one state of both tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    Engine,
    Insert,
    Table,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.expression import ColumnElement, false

from treadle.ports.tracking import MetricRow
from treadle.storage.sql import dialects
from treadle.storage.sql.prepared import Cursor, Prepared
from treadle.storage.sql.tracking import chunks
from treadle.storage.sql.tracking.keys import WrittenKeys
from treadle.storage.sql.tracking.tables import metric_chunks, metric_tail, run_metrics

Raw = tuple[int, int, float]
"""Step, time and value."""

CHUNK_FROM = 16
"""Fewer points than these at once go to the tail."""

FULL = 512
"""A chunk of so many points stays as it is; smaller ones are loose."""

LARGEST = 2048
"""The most points in a chunk."""

MANY = 4
"""So many curves that get one point each are written together."""

FOLD_AT = 1024
"""So many loose points of a curve are folded."""


class PointWriter:
    """Adds points to curves, with the last, least and greatest value in the same transaction."""

    def __init__(self, engine: Engine, keys: WrittenKeys) -> None:
        self._keys = keys
        dialect = engine.dialect.name
        self._summarise = Prepared(engine, _summary(dialect).returning(run_metrics.c.loose))
        self._summarise_many = Prepared(engine, _summary(dialect))
        tail = metric_tail.c
        primary = ("run", "key", "step", "at", "bits")
        self._append = Prepared(
            engine,
            dialects.insert_new(dialect, metric_tail, *primary).values({name: bindparam(name) for name in primary}),
        )
        self._insert_chunk = Prepared(engine, _insert(metric_chunks, "number"))
        of = tail.run == bindparam("run"), tail.key == bindparam("key")
        self._tail = Prepared(engine, select(tail.step, tail.at, tail.bits).where(*of))
        self._drop_tail = Prepared(engine, delete(metric_tail).where(*of))
        small = (
            metric_chunks.c.run == bindparam("run"),
            metric_chunks.c.key == bindparam("key"),
            metric_chunks.c.full == false(),
        )
        self._small = Prepared(engine, select(metric_chunks.c.data).where(*small))
        self._drop_small = Prepared(engine, delete(metric_chunks).where(*small))
        metrics = run_metrics.c
        self._to_fold = Prepared(
            engine,
            select(metrics.key).where(metrics.run == bindparam("run"), metrics.loose >= bindparam("enough")),
        )
        self._set_loose = Prepared(
            engine,
            update(run_metrics)
            .where(metrics.run == bindparam("of"), metrics.key == bindparam("which"))
            .values(loose=bindparam("loose")),
        )

    def record(self, cursor: Cursor, run: int, rows: Sequence[MetricRow]) -> None:
        """Add points to curves of one run."""
        if len(rows) == 1:
            row = rows[0]
            self._add(cursor, run, row.key, [(row.step, row.timestamp, float(row.value))])
            return
        by_key: dict[str, list[Raw]] = {}
        for row in rows:
            curve = by_key.get(row.key)
            if curve is None:
                curve = by_key[row.key] = []
            curve.append((row.step, row.timestamp, float(row.value)))
        # In one order for all, so that two writers of a run lock its curves alike.
        names = sorted(by_key)
        if len(names) < len(rows) or len(names) < MANY:
            for key in names:
                self._add(cursor, run, key, chunks.in_order(by_key[key]))
        else:
            self._add_one_each(cursor, run, [(self._keys.number(cursor, name), by_key[name][0]) for name in names])

    def _add_one_each(self, cursor: Cursor, run: int, points: list[tuple[int, Raw]]) -> None:
        """A point of each of many curves: two statements for all of them."""
        summaries, tail = [], []
        for key, (step, at, value) in points:
            nan = math.isnan(value)
            number = None if nan else value
            summaries.append((run, key, step, at, 0.0 if nan else value, nan, number, number, 1))
            tail.append((run, key, step, at, chunks.bits(value)))
        cursor.run_rows(self._summarise_many, summaries)
        cursor.run_rows(self._append, tail)
        for (key,) in cursor.run(self._to_fold, run=run, enough=FOLD_AT).fetchall():
            self._fold(cursor, run, key)

    def _add(self, cursor: Cursor, run: int, name: str, points: list[Raw]) -> None:
        key = self._keys.number(cursor, name)
        final = len(points) >= FULL
        step, at, value = points[-1]
        numbers = [point[2] for point in points if not math.isnan(point[2])]
        loose = cursor.run(
            self._summarise,
            run=run,
            key=key,
            step=step,
            at=at,
            value=0.0 if math.isnan(value) else value,
            nan=math.isnan(value),
            least=min(numbers, default=None),
            greatest=max(numbers, default=None),
            loose=0 if final else len(points),
        ).fetchone()[0]
        if len(points) >= CHUNK_FROM:
            self._put_chunks(cursor, run, key, points)
        else:
            rows = [(run, key, step, at, chunks.bits(value)) for step, at, value in points]
            cursor.run_rows(self._append, rows)
        if loose >= FOLD_AT:
            self._fold(cursor, run, key)

    def _put_chunks(self, cursor: Cursor, run: int, key: int, points: list[Raw]) -> None:
        pieces = -(-len(points) // LARGEST)
        size = -(-len(points) // pieces)
        cursor.run_many(
            self._insert_chunk,
            [_chunk(run, key, points[start : start + size]) for start in range(0, len(points), size)],
        )

    def _fold(self, cursor: Cursor, run: int, key: int) -> None:
        found: list[Raw] = [
            (step, at, chunks.from_bits(bits)) for step, at, bits in cursor.run(self._tail, run=run, key=key).fetchall()
        ]
        for (data,) in cursor.run(self._small, run=run, key=key).fetchall():
            found.extend(chunks.decode(bytes(data)).points())
        points = chunks.in_order(found)
        cursor.run(self._drop_tail, run=run, key=key)
        cursor.run(self._drop_small, run=run, key=key)
        self._put_chunks(cursor, run, key, points)
        cursor.run(self._set_loose, of=run, which=key, loose=0 if len(points) >= FULL else len(points))


def _chunk(run: int, key: int, points: list[Raw]) -> dict[str, Any]:
    numbers = [point for point in points if not math.isnan(point[2])]
    least = min(numbers, key=_value, default=(None, None, None))
    greatest = max(numbers, key=_value, default=(None, None, None))
    return {
        "run": run,
        "key": key,
        "first_step": points[0][0],
        "first_at": points[0][1],
        "last_step": points[-1][0],
        "last_at": points[-1][1],
        "points": len(points),
        "full": len(points) >= FULL,
        "least": least[2],
        "least_step": least[0],
        "least_at": least[1],
        "greatest": greatest[2],
        "greatest_step": greatest[0],
        "greatest_at": greatest[1],
        "data": chunks.encode(chunks.columns_of(points)),
    }


def _value(point: Raw) -> float:
    return point[2]


def _insert(table: Table, *without: str) -> Insert:
    names: Iterable[str] = (column.name for column in table.c if column.name not in without)
    return insert(table).values({name: bindparam(name) for name in names})


def _summary(dialect: str) -> Insert:
    names = [column.name for column in run_metrics.c]
    statement = dialects.insert(dialect, run_metrics).values({name: bindparam(name) for name in names})
    old, new = run_metrics.c, statement.excluded
    order = ("step", "at", "nan", "value")
    newer: ColumnElement[bool] = tuple_(*(new[name] for name in order)) > tuple_(*(old[name] for name in order))
    changes: dict[str, Any] = {name: case((newer, new[name]), else_=old[name]) for name in order}
    changes["least"] = case((or_(old.least.is_(None), new.least < old.least), new.least), else_=old.least)
    changes["greatest"] = case(
        (or_(old.greatest.is_(None), new.greatest > old.greatest), new.greatest), else_=old.greatest
    )
    changes["loose"] = old.loose + new.loose
    return statement.on_conflict_do_update(index_elements=["run", "key"], set_=changes)
