"""Rules that a column's values suggest, with head-room: wide enough for next month, narrow enough for a broken feed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from treadle.scaffold.names import words
from treadle.scaffold.profile import NUMBERS, ColumnFacts

MOST_CHOICES = 20
CERTAIN = 0.001
"""A set of values counts as complete where the chance of a new one is below this (Good 1953)."""

SLICES = range(2, 11)

_CALENDAR: tuple[tuple[frozenset[str], int, int], ...] = (
    (frozenset({"hour", "hr"}), 0, 23),
    (frozenset({"minute"}), 0, 59),
    (frozenset({"month", "mnth"}), 1, 12),
    (frozenset({"quarter"}), 1, 4),
    (frozenset({"weekday", "dow", "dayofweek"}), 0, 7),
    (frozenset({"day"}), 1, 31),
)
_PERCENT = frozenset(words("hum humid humidity pct percent percentage"))


@dataclass(frozen=True)
class Rules:
    """Arguments of ``col(...)`` by name, and why they were chosen."""

    arguments: Mapping[str, object] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def rules_of(column: ColumnFacts) -> Rules:
    """The rules of one feature, by its kind."""
    arguments: dict[str, object] = {}
    reasons: list[str] = []
    if column.kind in NUMBERS:
        _bound(column, arguments, reasons)
    elif column.kind == "bool" and column.nulls:
        arguments |= {"ge": 0, "le": 1}
    elif column.kind == "str":
        _choices(column, arguments, reasons)
    if column.nulls:
        arguments["nulls"] = allowed_nulls(column.nulls / column.rows)
        reasons.append(f"{share(column.nulls / column.rows)} of its values are missing")
    return Rules(arguments, tuple(reasons))


def allowed_nulls(found: float) -> float:
    """The largest share of missing values to allow, where ``found`` are missing: twice as many, at least 5 % more."""
    return min(1.0, math.ceil(max(2 * found, found + 0.05) * 20 - 1e-9) / 20)


def sliceable(column: ColumnFacts) -> bool:
    """Whether metrics are worth reporting by a column's values."""
    if column.kind not in ("str", "bool") or column.distinct not in SLICES or (column.kind == "bool" and column.nulls):
        return False
    return min(column.counts.values()) >= max(20, 0.01 * column.rows)


def share(part: float) -> str:
    """A share as a percentage that is neither none nor all unless it is."""
    if 0 < part < 0.001:
        return "under 0.1 %"
    return f"{100 * part:.3g} %"


def _choices(column: ColumnFacts, arguments: dict[str, object], reasons: list[str]) -> None:
    if not 2 <= column.distinct <= MOST_CHOICES or max(len(str(v)) for v in column.counts) > 40:
        return
    if column.singles_share == 0 and column.present >= 1 / CERTAIN and min(column.counts.values()) >= 5:
        arguments["one_of"] = sorted(str(value) for value in column.counts)
        reasons.append(f"its {column.distinct} values are each there {min(column.counts.values()):,} times or more")


def _bound(column: ColumnFacts, arguments: dict[str, object], reasons: list[str]) -> None:
    if column.summary is None or column.summary.minimum is None or column.summary.maximum is None:
        return
    low, high = column.summary.minimum, column.summary.maximum
    calendar = _calendar(column, low, high)
    if calendar is not None:
        arguments |= {"ge": calendar[0], "le": calendar[1]}
        return
    if _closed(column):
        arguments |= {"ge": int(low), "le": int(high)}
        reasons.append(f"whole numbers from {low:g} to {high:g}, each there often")
        return
    room = high - low
    if low >= 0 and high <= 1 and not column.whole:
        arguments |= {"ge": 0, "le": 1}
        return
    if low >= 0 and high <= 100 and set(words(column.name)) & _PERCENT:
        arguments |= {"ge": 0, "le": 100}
        return
    if low >= 0:
        arguments["ge"] = 0
    elif room:
        arguments["ge"] = _outward(low - room, -1)
    if room:
        arguments["le"] = _outward(high + room, 1)


def _calendar(column: ColumnFacts, low: float, high: float) -> tuple[int, int] | None:
    if not column.whole:
        return None
    said = set(words(column.name))
    for names, first, last in _CALENDAR:
        if said & names and len(said) <= 2 and first <= low and high <= last:
            return first, last
    return None


def _closed(column: ColumnFacts) -> bool:
    """Whether the whole numbers of a column look like codes that are all known."""
    if not column.whole or not 2 <= column.distinct <= 12:
        return False
    return min(column.counts.values()) >= max(30, 0.01 * column.rows)


def _outward(number: float, way: int) -> float | int:
    """A number with two digits, no nearer to zero-crossing: rounded up for ``way`` 1, down for -1."""
    if not number:
        return 0
    unit = 10.0 ** (math.floor(math.log10(abs(number))) - 1)
    rounded = (math.ceil(number / unit - 1e-9) if way > 0 else math.floor(number / unit + 1e-9)) * unit
    if unit >= 1 and abs(rounded) < 2**53:
        return round(rounded)
    return float(f"{rounded:.2g}")
