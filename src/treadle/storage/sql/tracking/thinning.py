"""Curves thinned out for charts: the ends, and of each of equal parts the least and the greatest value.

Chunks know their least and greatest point, so most of them need not be read. A chunk is read where it spans two parts
or more, where only a piece of it is wanted, and at the ends of the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from treadle.storage.sql.tracking import chunks
from treadle.storage.sql.tracking.chunks import Columns

Raw = tuple[int, int, float]
Read = Callable[[Sequence[int]], Mapping[int, bytes]]
"""Reads the bytes of chunks by number."""

Between = tuple[int | None, int | None]


class Summary(NamedTuple):
    """A chunk without its bytes."""

    number: int
    first_step: int
    first_at: int
    last_step: int
    last_at: int
    points: int
    least: float | None
    least_step: int | None
    least_at: int | None
    greatest: float | None
    greatest_step: int | None
    greatest_at: int | None


class Item(NamedTuple):
    """A piece of the curve: where it begins, how many points it has, and its least and greatest ones."""

    start: tuple[int, int]
    points: int
    extremes: tuple[Raw, ...]


def thin(summaries: Sequence[Summary], loose: Sequence[Raw], points: int, between: Between, read: Read) -> list[Raw]:
    """At most so many points of a curve. ``loose`` are its points that are in no chunk, all of them ``between``."""
    total = len(loose) + sum(summary.points for summary in summaries)
    if total <= max(points, 64):
        data = read([summary.number for summary in summaries])
        whole = [point for summary in summaries for point in _within(chunks.decode(data[summary.number]), between)]
        everything = chunks.in_order([*whole, *loose])
        if len(everything) <= points:
            return everything
        ends, items = (everything[0], everything[-1]), [_single(point) for point in everything]
        return _chosen(ends, items, len(everything), points)
    parts = max(points // 2 - 1, 1)
    apart = _to_read(summaries, between, total / parts)
    data = read(sorted(apart))
    items = [_single(point) for point in loose]
    seen: list[Raw] = list(loose)
    for summary in summaries:
        if summary.number not in data:
            items.append(_summarised(summary))
            continue
        columns = _cut(chunks.decode(data[summary.number]), between)
        if len(columns):
            seen += [next(iter(columns.points())), next(iter(columns.part(-1).points()))]
            items.extend(_pieces(columns, max(int(total / parts), 1)))
    if not seen:
        return []
    ends = min(seen, key=chunks.rank), max(seen, key=chunks.rank)
    return _chosen(ends, items, sum(item.points for item in items), points)


def _to_read(summaries: Sequence[Summary], between: Between, part: float) -> set[int]:
    """The numbers of the chunks that must be read."""
    if not summaries:
        return set()
    start = min((summary.first_step, summary.first_at) for summary in summaries)
    end = max((summary.last_step, summary.last_at) for summary in summaries)
    first, last = between
    return {
        summary.number
        for summary in summaries
        if summary.points >= 2 * part
        or (summary.first_step, summary.first_at) == start
        or (summary.last_step, summary.last_at) == end
        or (first is not None and summary.first_step < first)
        or (last is not None and summary.last_step > last)
    }


def _chosen(ends: tuple[Raw, Raw], items: Sequence[Item], total: int, points: int) -> list[Raw]:
    if points <= 1:
        return [ends[1]][:points]
    found = {chunks.rank(point): point for point in ends}
    parts = points // 2 - 1
    if parts:
        for part in _parts(sorted(items, key=lambda item: item.start), total, parts):
            numbers = [point for item in part for point in item.extremes]
            if numbers:
                for point in (min(numbers, key=_value), max(numbers, key=_value)):
                    found[chunks.rank(point)] = point
    return [point for _, point in sorted(found.items())]


def _parts(items: Sequence[Item], total: int, parts: int) -> Iterator[list[Item]]:
    """Items in so many parts of about equal numbers of points."""
    current: list[Item] = []
    done = before = 0
    for item in items:
        index = min(int((before + item.points / 2) * parts / total), parts - 1)
        if index > done and current:
            yield current
            current = []
        done = index
        current.append(item)
        before += item.points
    if current:
        yield current


def _single(point: Raw) -> Item:
    return Item(point[:2], 1, () if math.isnan(point[2]) else (point,))


def _summarised(summary: Summary) -> Item:
    extremes: Iterable[Raw] = (
        (step, at, value)
        for step, at, value in (
            (summary.least_step, summary.least_at, summary.least),
            (summary.greatest_step, summary.greatest_at, summary.greatest),
        )
        if step is not None and at is not None and value is not None
    )
    return Item((summary.first_step, summary.first_at), summary.points, tuple(extremes))


def _pieces(columns: Columns, size: int) -> Iterator[Item]:
    for start in range(0, len(columns), size):
        values = columns.values[start : start + size]
        places: list[int] = []
        if math.isnan(sum(values)):
            known = [place for place, value in enumerate(values) if not math.isnan(value)]
            if known:
                places = [min(known, key=values.__getitem__), max(known, key=values.__getitem__)]
        else:
            places = [values.index(min(values)), values.index(max(values))]
        extremes = ((columns.steps[start + i], columns.ats[start + i], values[i]) for i in places)
        yield Item((columns.steps[start], columns.ats[start]), len(values), tuple(extremes))


def _cut(columns: Columns, between: Between) -> Columns:
    if between == (None, None):
        return columns
    return chunks.columns_of(list(_within(columns, between)))


def _within(columns: Columns, between: Between) -> Iterator[Raw]:
    first, last = between
    for point in columns.points():
        if (first is None or point.step >= first) and (last is None or point.step <= last):
            yield point


def _value(point: Raw) -> float:
    return point[2]
