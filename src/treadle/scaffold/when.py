"""The time of a row: which column tells it, how it is put together, and how rows part by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from treadle.domain.errors import InvalidInput
from treadle.scaffold.leakage import lag, lies_after
from treadle.scaffold.names import words
from treadle.scaffold.parsing import looks_like_year
from treadle.scaffold.profile import ColumnFacts, TableFacts

NOT_WHEN = frozenset(words("birth birthday birthdate born dob expires expiry until updated modified last due"))
SPLITS = ((0.15, 0.25), (0.2, 0.25), (0.25, 0.3), (0.3, 0.35))
"""Shares for validation and test, the usual ones first; larger ones for smaller tables."""

LEAST_PART = 20

_HOUR, _MONTH, _QUARTER = frozenset({"hour", "hr"}), frozenset({"month", "mnth"}), frozenset({"quarter"})


@dataclass(frozen=True, eq=False)
class Time:
    """When a row's prediction is asked for.

    ``column`` tells it; ``part`` is one of whole numbers that tells the hour of its day, or the month or quarter of its
    year (``unit``). ``values`` are in UTC, a naive time read as such. ``own`` is false where the column stays a
    feature (a year) and the time stands beside it. ``naive`` tells whether a zone had to be taken.
    """

    column: ColumnFacts
    values: pl.Series
    reason: str
    own: bool = True
    naive: bool = True
    part: ColumnFacts | None = None
    unit: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def first(self) -> datetime:
        """The earliest time."""
        return _edge(self.values, pl.Series.min)

    @property
    def last(self) -> datetime:
        """The latest time."""
        return _edge(self.values, pl.Series.max)


def _edge(values: pl.Series, of: Callable[[pl.Series], object]) -> datetime:
    found = of(values)
    return found if isinstance(found, datetime) else datetime(1970, 1, 1, tzinfo=UTC)


def time_of(table: TableFacts, target: ColumnFacts, chosen: ColumnFacts | None) -> Time | None:
    """The time of the rows: that of the ``chosen`` column, else of the likeliest; None where there is none.

    Raises InvalidInput for a chosen column that tells no time.
    """
    if chosen is not None:
        return _chosen(table, chosen)
    candidates = [c for c in table.columns if c is not target and _usable(c)]
    if candidates:
        best = min(candidates, key=lambda c: (bool(set(words(c.name)) & NOT_WHEN), _mean(c), c.name))
        if set(words(best.name)) & NOT_WHEN:
            return None
        what = (
            "the only column of times"
            if len(candidates) == 1
            else f"the earliest of {len(candidates)} columns of times"
        )
        return _of_times(table, best, what)
    years = [c for c in table.columns if c is not target and c.whole and not c.nulls and c.distinct > 1]
    year = next((c for c in years if looks_like_year(c.name, c.values)), None)
    return None if year is None else _of_years(table, year, "it holds years")


def _chosen(table: TableFacts, column: ColumnFacts) -> Time:
    if column.kind in ("datetime", "date"):
        missing = column.nulls / column.rows
        if missing > 0.5:
            raise InvalidInput(
                f"time column {column.name!r} is missing in {100 * missing:.0f} % of the rows",
                hint="choose another with --time, or leave it out",
            )
        return _of_times(table, column, "you said so")
    if column.kind in ("int", "float") and column.whole and not column.nulls:
        present = column.values.cast(pl.Float64)
        if present.is_between(1, 9998).all() and looks_like_year("year", column.values):
            return _of_years(table, column, "you said so")
    shown = ", ".join(repr(v) for v in column.values.drop_nulls().head(3).to_list())
    raise InvalidInput(
        f"time column {column.name!r} holds no times, but {shown or 'nothing'}",
        hint="name a column of days or times, such as 2024-03-01 09:30, or leave --time out",
    )


def _usable(column: ColumnFacts) -> bool:
    return column.kind in ("datetime", "date") and column.nulls <= 0.01 * column.rows and column.distinct > 1


def _mean(column: ColumnFacts) -> float:
    moments = column.values.cast(pl.Datetime("us", _zone(column.values)))
    mean = moments.to_physical().cast(pl.Float64).mean()
    return float(mean) if isinstance(mean, int | float) else 0.0


def _zone(values: pl.Series) -> str | None:
    return values.dtype.time_zone if isinstance(values.dtype, pl.Datetime) else None


def _of_times(table: TableFacts, column: ColumnFacts, reason: str) -> Time:
    aware = _zone(column.values) is not None
    values = column.values if aware else column.values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    part = None
    if column.kind == "date" or bool((values.dt.truncate("1d") == values).all()):
        part = _part(table, column, _HOUR, 0, 23)
    if part is not None:
        values = values + _whole(part) * timedelta(hours=1)
        reason = f"{reason}, with the hour from {part.name}"
    return Time(column, values, reason, naive=not aware, part=part, unit="hour" if part else "", notes=_notes(values))


def _of_years(table: TableFacts, year: ColumnFacts, reason: str) -> Time:
    told = ""
    for names, unit, last in ((_MONTH, "month", 12), (_QUARTER, "quarter", 4)):
        part = _part(table, year, names, 1, last)
        if part is not None:
            told = unit
            break
    frame = pl.DataFrame({"y": _whole(year)})
    month: pl.Expr | int = 1
    if part is not None:
        frame = frame.with_columns(_whole(part).alias("p"))
        month = pl.col("p") if told == "month" else pl.col("p") * 3 - 2
        reason = f"{reason}, with the {told} from {part.name}"
    values = frame.select(pl.datetime(pl.col("y"), month, 1, time_zone="UTC", time_unit="us")).to_series()
    return Time(year, values, reason, own=False, part=part, unit=told, notes=_notes(values))


def _part(table: TableFacts, beside: ColumnFacts, names: frozenset[str], low: int, high: int) -> ColumnFacts | None:
    for column in table.columns:
        if column is beside or column.nulls or not column.whole or not set(words(column.name)) & names:
            continue
        if len(words(column.name)) == 1 and _whole(column).is_between(low, high).all() and column.distinct > 1:
            return column
    return None


def _whole(column: ColumnFacts) -> pl.Series:
    return column.values.cast(pl.Int64)


def _notes(values: pl.Series) -> tuple[str, ...]:
    notes = []
    missing = values.null_count()
    if missing:
        notes.append(f"{missing:,} rows have no time and are passed over")
    ahead = int((values >= datetime.now(UTC)).sum())
    if ahead:
        notes.append(f"{ahead:,} rows lie in the future and are passed over until their time has come")
    return tuple(notes)


def tells_rows_apart(time: Time | None) -> bool:
    """Whether no two rows have the same time, so that it can stand for a key."""
    return time is not None and time.values.drop_nulls().n_unique() == len(time.values)


def known_after(table: TableFacts, time: Time) -> tuple[timedelta, str]:
    """How long after its time a row's label is known, from a column of times that lie after it; else a day."""
    for column in table.columns:
        if column is time.column or column.kind != "datetime" or set(words(column.name)) & NOT_WHEN:
            continue
        lags = lag(column.values, time.values)
        if not lies_after(lags):
            continue
        longest = lags.quantile(0.999) or 0.0
        return timedelta(
            hours=max(1, -(-longest // 3600))
        ), f"{column.name} lies at most so long after {time.column.name}"
    return timedelta(days=1), "guessed"


def parts(held: Sequence[float], values: pl.Series | None, labelled: NDArray[np.bool_]) -> tuple[int, int, int]:
    """How many labelled rows train, validate and test with shares for validation and test.

    By time: the shares are of its span. Without times (None): of the rows, as a hash parts them on average.
    """
    validation, test = held
    if values is None:
        rows = int(labelled.sum())
        return rows - round(rows * validation) - round(rows * test), round(rows * validation), round(rows * test)
    moments = values.filter(pl.Series(labelled)).drop_nulls().to_physical().sort().to_numpy()
    if not len(moments):
        return 0, 0, 0
    span = float(moments[-1] - moments[0])
    cut_test = moments[-1] - test * span
    start_test = int(np.searchsorted(moments, cut_test))
    start = int(np.searchsorted(moments, cut_test - validation * span))
    return start, start_test - start, len(moments) - start_test


def shares(values: pl.Series | None, labelled: NDArray[np.bool_]) -> tuple[float, float]:
    """Shares for validation and test that give each part rows enough, the usual ones where they do."""
    found = [(min(parts(held, values, labelled)), held) for held in SPLITS]
    return next((held for rows, held in found if rows >= LEAST_PART), max(found)[1])


def held_out(test: float, values: pl.Series | None, rows: int) -> NDArray[np.bool_]:
    """Which rows are for the gates: the newest by share of the span, else drawn."""
    if values is None:
        drawn: NDArray[np.bool_] = np.random.default_rng(0).random(rows) < test
        return drawn
    moments = values.to_physical().cast(pl.Float64).fill_null(-np.inf).to_numpy()
    finite = moments[np.isfinite(moments)]
    if not len(finite):
        return np.zeros(rows, dtype=np.bool_)
    return np.asarray(moments >= finite.max() - test * (finite.max() - finite.min()))
