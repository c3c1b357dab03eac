"""Reading curves: whole, by pages, and thinned out to what a chart can show."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, tuple_

from treadle.domain.tracking import Curve
from treadle.domain.tracking_errors import bad_cursor, no_run
from treadle.storage.sql.database import Database
from treadle.storage.sql.tracking import chunks, thinning
from treadle.storage.sql.tracking.chunks import Columns
from treadle.storage.sql.tracking.keys import ReadKeys
from treadle.storage.sql.tracking.tables import metric_chunks, metric_tail, runs
from treadle.storage.sql.tracking.thinning import Summary

Raw = tuple[int, int, float]
DATA_AT_ONCE = 64
"""Chunks whose bytes are read with one statement."""


class SqlMetricHistory:
    """``ports.tracking.MetricHistory`` on SQL."""

    def __init__(self, database: Database, keys: ReadKeys) -> None:
        self._database = database
        self._keys = keys

    def history(self, run: str, key: str, *, limit: int | None = None, cursor: str | None = None) -> Curve:
        """Points of one metric; none where it was never logged. Raises NotFound for the run."""
        after = None if cursor is None else _read_cursor(cursor)
        with self._database.read() as connection:
            number = _number(connection, run)
            if number is None:
                raise no_run(run)
            parts = _Parts(connection, number, self._keys.number(connection, key), after)
            found = chunks.empty()
            for part in parts.read():
                found.extend(part)
                if limit is not None and len(found) > limit:
                    break
        if limit is None or len(found) <= limit:
            return _curve(run, key, found)
        kept = found.part(0, limit)
        last = kept.part(limit - 1) if limit else None
        more = cursor if last is None else _write_cursor((last.steps[0], last.ats[0], last.values[0]))
        return _curve(run, key, kept, more)

    def histories(self, runs: Sequence[str], key: str, *, limit: int) -> Sequence[Curve]:
        """One metric of several runs in the order given, ``limit`` points in all. Runs that are not there have none."""
        found: list[Curve] = []
        with self._database.read() as connection:
            which = self._keys.number(connection, key)
            for run in runs:
                number = _number(connection, run)
                columns = chunks.empty()
                for part in _Parts(connection, number, which).read() if number is not None and limit else ():
                    columns.extend(part)
                    if len(columns) >= limit:
                        break
                found.append(_curve(run, key, columns.part(0, limit)))
                limit -= len(found[-1])
        return found

    def sampled(
        self,
        runs: Sequence[str],
        key: str,
        *,
        points: int,
        first: int | None = None,
        last: int | None = None,
    ) -> Sequence[Curve]:
        """One metric of several runs, at most ``points`` of each, between two steps (both included)."""
        with self._database.read() as connection:
            which = self._keys.number(connection, key)
            return [_sampled(connection, run, key, which, points, (first, last)) for run in runs]


@dataclass(frozen=True)
class _Group:
    """Chunks that overlap in time; ``start`` and ``end`` are the steps and times between which they lie."""

    chunks: list[int]
    start: tuple[int, int]
    end: tuple[int, int]


class _Parts:
    """One curve in parts that follow each other, behind a point."""

    def __init__(self, connection: Connection, run: int, key: int, after: Raw | None = None) -> None:
        self._connection = connection
        self._after = None if after is None else chunks.rank(after)
        c, t = metric_chunks.c, metric_tail.c
        wanted = select(c.number, c.first_step, c.first_at, c.last_step, c.last_at).where(c.run == run, c.key == key)
        tail = select(t.step, t.at, t.bits).where(t.run == run, t.key == key)
        if after is not None:
            wanted = wanted.where(tuple_(c.last_step, c.last_at) >= tuple_(after[0], after[1]))
            tail = tail.where(tuple_(t.step, t.at) >= tuple_(after[0], after[1]))
        rows = connection.execute(wanted.order_by(c.first_step, c.first_at)).all()
        self._groups = list(_groups(rows))
        self._tail = chunks.in_order(
            (step, at, chunks.from_bits(bits)) for step, at, bits in connection.execute(tail).all()
        )

    def read(self) -> Iterator[Columns]:
        """Parts, none of them empty."""
        for part in self._all():
            rest = part if self._after is None else self._behind(part, self._after)
            if len(rest):
                yield rest

    def _all(self) -> Iterator[Columns]:
        taken = 0
        for group, data in zip(self._groups, self._data(), strict=True):
            start = taken
            while taken < len(self._tail) and self._tail[taken][:2] < group.start:
                taken += 1
            if taken > start:
                yield chunks.columns_of(self._tail[start:taken])
            start = taken
            while taken < len(self._tail) and self._tail[taken][:2] <= group.end:
                taken += 1
            if len(data) == 1 and taken == start:
                yield chunks.decode(data[0])
            else:
                points: list[Raw] = list(self._tail[start:taken])
                for one in data:
                    points.extend(chunks.decode(one).points())
                yield chunks.columns_of(chunks.in_order(points))
        if taken < len(self._tail):
            yield chunks.columns_of(self._tail[taken:])

    def _data(self) -> Iterator[list[bytes]]:
        """The bytes of each group's chunks, many groups with one statement."""
        waiting: list[_Group] = []
        size = 0
        for group in self._groups:
            waiting.append(group)
            size += len(group.chunks)
            if size >= DATA_AT_ONCE:
                yield from self._fetch(waiting)
                waiting, size = [], 0
        yield from self._fetch(waiting)

    def _fetch(self, groups: list[_Group]) -> Iterator[list[bytes]]:
        data = read_data(self._connection, [number for group in groups for number in group.chunks])
        for group in groups:
            yield [data[number] for number in group.chunks]

    def _behind(self, part: Columns, after: Any) -> Columns:
        start = bisect_right(
            range(len(part)), after, key=lambda i: chunks.rank((part.steps[i], part.ats[i], part.values[i]))
        )
        if start == len(part) or start:
            return part.part(start)
        self._after = None
        return part


def read_data(connection: Connection, numbers: Sequence[int]) -> dict[int, bytes]:
    """The bytes of chunks."""
    found: dict[int, bytes] = {}
    c = metric_chunks.c
    for start in range(0, len(numbers), DATA_AT_ONCE * 4):
        part = numbers[start : start + DATA_AT_ONCE * 4]
        for number, data in connection.execute(select(c.number, c.data).where(c.number.in_(part))):
            found[number] = bytes(data)
    return found


def _groups(rows: Sequence[Any]) -> Iterator[_Group]:
    group: _Group | None = None
    for number, first_step, first_at, last_step, last_at in rows:
        start, end = (first_step, first_at), (last_step, last_at)
        if group is not None and start <= group.end:
            group = _Group([*group.chunks, number], group.start, max(group.end, end))
            continue
        if group is not None:
            yield group
        group = _Group([number], start, end)
    if group is not None:
        yield group


def _sampled(
    connection: Connection, run: str, key: str, which: int, points: int, between: tuple[int | None, int | None]
) -> Curve:
    number = _number(connection, run)
    if number is None:
        return _curve(run, key, chunks.empty())
    first, last = between
    c, t = metric_chunks.c, metric_tail.c
    summaries = select(*(c[name] for name in Summary._fields)).where(c.run == number, c.key == which)
    tail = select(t.step, t.at, t.bits).where(t.run == number, t.key == which)
    if first is not None:
        summaries, tail = summaries.where(c.last_step >= first), tail.where(t.step >= first)
    if last is not None:
        summaries, tail = summaries.where(c.first_step <= last), tail.where(t.step <= last)
    found = [Summary(*row) for row in connection.execute(summaries.order_by(c.first_step, c.first_at)).all()]
    loose = [(step, at, chunks.from_bits(bits)) for step, at, bits in connection.execute(tail).all()]
    thinned = thinning.thin(found, loose, points, between, lambda numbers: read_data(connection, numbers))
    return _curve(run, key, chunks.columns_of(thinned))


def _number(connection: Connection, run: str) -> int | None:
    return connection.execute(select(runs.c.number).where(runs.c.id == run)).scalar_one_or_none()


def _curve(run: str, key: str, columns: Columns, cursor: str | None = None) -> Curve:
    return Curve(run, key, columns.steps, columns.ats, columns.values, cursor)


def _write_cursor(point: Raw) -> str:
    return f"{point[0]}.{point[1]}.{chunks.bits(point[2])}"


def _read_cursor(cursor: str) -> Raw:
    try:
        step, at, bits = (int(part) for part in cursor.split("."))
        return step, at, chunks.from_bits(bits)
    except (ValueError, OverflowError, struct.error) as error:
        raise bad_cursor(cursor) from error
