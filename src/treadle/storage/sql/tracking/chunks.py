"""Points of a curve packed into bytes: columns of steps, times and values, each coded for itself and compressed.

Whole numbers are coded as the first one and the differences, which are one number where they are all alike and are
compressed where not. The bytes of values are put first bytes first (those of equal weight together), because signs and
exponents of a curve resemble each other. Points are sorted by step, then time, then value (NaN last); none stands
twice.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from treadle.domain.errors import CorruptData

FORMAT = 1
LEVEL = 1
_HEADER = struct.Struct("<BII")
"""Format, points, and the checksum of what follows."""

_COLUMN = struct.Struct("<BqqI")
_CONSTANT, _NARROW, _PLAIN = range(3)
_SMALL = 1 << 31


class Point(NamedTuple):
    """One point; ``at`` in milliseconds."""

    step: int
    at: int
    value: float


@dataclass(frozen=True)
class Columns:
    """Points in columns."""

    steps: array[int]
    ats: array[int]
    values: array[float]

    def __len__(self) -> int:
        return len(self.steps)

    def points(self) -> Iterable[Point]:
        """Point by point."""
        return map(Point, self.steps, self.ats, self.values)

    def extend(self, other: Columns) -> None:
        """Add another's points behind these."""
        self.steps.extend(other.steps)
        self.ats.extend(other.ats)
        self.values.extend(other.values)

    def part(self, start: int, end: int | None = None) -> Columns:
        """The points from one index to before another."""
        return Columns(self.steps[start:end], self.ats[start:end], self.values[start:end])


def empty() -> Columns:
    """No points."""
    return Columns(array("q"), array("q"), array("d"))


def columns_of(points: Sequence[tuple[int, int, float]]) -> Columns:
    """Columns of points that are in order."""
    if not points:
        return empty()
    steps, ats, values = zip(*points, strict=True)
    return Columns(array("q", steps), array("q", ats), array("d", values))


def rank(point: tuple[int, int, float]) -> tuple[int, int, bool, float]:
    """What points are ordered by, and equal by."""
    value = point[2]
    return (point[0], point[1], True, 0.0) if math.isnan(value) else (point[0], point[1], False, value)


def in_order(points: Iterable[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Points sorted, each of them once."""
    found = list(points)
    if not any(math.isnan(point[2]) for point in found):
        return sorted(set(found))
    return [point for _, point in sorted({rank(point): point for point in found}.items())]


def encode(columns: Columns) -> bytes:
    """Points as bytes."""
    payload = _whole(columns.steps) + _whole(columns.ats) + _floats(columns.values)
    return _HEADER.pack(FORMAT, len(columns), zlib.crc32(payload)) + payload


def decode(data: bytes) -> Columns:
    """The inverse of :func:`encode`. Raises CorruptData for bytes that are no points."""
    try:
        form, count, checksum = _HEADER.unpack_from(data)
        if form != FORMAT:
            raise ValueError(f"format {form} is not known")
        if zlib.crc32(memoryview(data)[_HEADER.size :]) != checksum:
            raise ValueError("the checksum differs")
        steps, offset = _read_whole(data, _HEADER.size, count)
        ats, offset = _read_whole(data, offset, count)
        return Columns(steps, ats, _read_floats(data[offset:], count))
    except (ValueError, struct.error, zlib.error, OverflowError) as error:
        raise CorruptData(
            f"a part of a curve is damaged: {error}", hint="restore the database from a backup"
        ) from error


def bits(value: float) -> int:
    """A float as the whole number of the same 64 bits; all NaN are one."""
    if math.isnan(value):
        return _NAN
    found: int = _LONG.unpack(_DOUBLE.pack(value))[0]
    return found


def from_bits(number: int) -> float:
    """The inverse of :func:`bits`."""
    found: float = _DOUBLE.unpack(_LONG.pack(number))[0]
    return found


_LONG, _DOUBLE = struct.Struct("<q"), struct.Struct("<d")
_NAN: int = _LONG.unpack(_DOUBLE.pack(math.nan))[0]


def _little(column: array[int] | array[float]) -> bytes:
    if sys.byteorder != "little":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _whole(column: array[int]) -> bytes:
    first = column[0] if column else 0
    stride = column[1] - first if len(column) > 1 else 0
    if _even(column, first, stride):
        return _COLUMN.pack(_CONSTANT, first, stride, 0)
    differences = [b - a for a, b in pairwise(column)]
    if min(differences) >= -_SMALL and max(differences) < _SMALL:
        kind, coded = _NARROW, zlib.compress(_grouped(_little(array("i", differences)), 4), LEVEL)
    else:
        kind, coded = _PLAIN, zlib.compress(_little(column), LEVEL)
    return _COLUMN.pack(kind, first, 0, len(coded)) + coded


def _even(column: array[int], first: int, stride: int) -> bool:
    if abs(stride) >= _SMALL or (column and column[-1] != first + stride * (len(column) - 1)):
        return False
    return column == _evenly(first, stride, len(column))


def _evenly(first: int, stride: int, count: int) -> array[int]:
    if not stride:
        return array("q", [first]) * count
    return array("q", range(first, first + stride * count, stride))


def _read_whole(data: bytes, offset: int, count: int) -> tuple[array[int], int]:
    kind, first, stride, size = _COLUMN.unpack_from(data, offset)
    offset += _COLUMN.size
    if kind == _CONSTANT:
        return _evenly(first, stride, count), offset
    raw = zlib.decompress(data[offset : offset + size])
    column: array[int]
    if kind == _NARROW:
        differences = _array("i", _ungrouped(raw, 4))
        column = array("q", accumulate(differences, initial=first))
    elif kind == _PLAIN:
        column = _array("q", raw)
    else:
        raise ValueError(f"column kind {kind} is not known")
    if len(column) != count:
        raise ValueError("a column has another length than the others")
    return column, offset + size


def _floats(column: array[float]) -> bytes:
    return zlib.compress(_grouped(_little(column), 8), LEVEL)


def _read_floats(data: bytes, count: int) -> array[float]:
    raw = _ungrouped(zlib.decompress(data), 8)
    column = array("d")
    column.frombytes(raw)
    if sys.byteorder != "little":
        column.byteswap()
    if len(column) != count:
        raise ValueError("the values have another length than the steps")
    return column


def _array(kind: str, raw: bytes) -> array[int]:
    column: array[int] = array(kind)
    column.frombytes(raw)
    if sys.byteorder != "little":
        column.byteswap()
    return column


def _grouped(raw: bytes, width: int) -> bytes:
    return b"".join(raw[place::width] for place in range(width))


def _ungrouped(grouped: bytes, width: int) -> bytes:
    count = len(grouped) // width
    raw = bytearray(len(grouped))
    for place in range(width):
        raw[place::width] = grouped[place * count : (place + 1) * count]
    return bytes(raw)
