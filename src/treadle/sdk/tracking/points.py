"""Metric points on their way: fixed slots in files that are mapped into memory.

A point that was put is in the page cache of the system, so that it outlives a killed process. Writers take slots from
a counter and need no lock; the mark is written last, so that a slot is whole or not there.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SLOT = struct.Struct("<dqqII")
"""Value, step, time in milliseconds since 1970, number of the key, mark."""

PUT, VOID = 0x7EAD1E01, 0x7EAD1E00
FIRST_SLOTS, SLOTS = 4096, 65536
EMPTY_TAIL = 1024
"""So many empty slots in a row are the end of what was written; fewer may belong to threads that are writing."""

NAME = "points-{:08d}"

Point = tuple[float, int, int, int]
"""Value, step, time, number of the key."""


class Segment:
    """A file of slots to write to. ``take`` gives the number of a free slot, which may lie behind the end."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        slots = SLOTS if number else FIRST_SLOTS
        self.end = slots * SLOT.size
        self.take: Callable[[], int] = itertools.count().__next__
        self.map = _mapped(folder / NAME.format(number), self.end)


def _mapped(path: Path, size: int) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)  # a full disk is found here, not by a signal later
        else:
            os.truncate(descriptor, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


class Place(NamedTuple):
    """Up to where points were read: the segment and the byte in it."""

    segment: int = 0
    offset: int = 0


class PointReader:
    """Reads slots in order; those that were still being written are read once they are whole."""

    def __init__(self, folder: Path, place: Place | None = None) -> None:
        self._folder = folder
        self._place = place or Place()
        self._holes: list[Place] = []

    @property
    def place(self) -> Place:
        """Everything before it was read."""
        return min([*self._holes, self._place])

    def read(self, limit: int, *, final: bool = False) -> list[Point]:
        """At most ``limit`` new points and those that came late.

        With ``final`` nobody writes any more, and slots that are not whole are given up.
        """
        found = self._late(final)
        while len(found) < limit:
            block = self._block(limit - len(found), final)
            if block is None:
                break
            found += block
        return found

    def _late(self, final: bool) -> list[Point]:
        found, holes, self._holes = [], self._holes, []
        for hole in holes:
            slot = _read(self._path(hole.segment), hole.offset, SLOT.size)
            if len(slot) < SLOT.size:
                continue
            value, step, at, key, mark = SLOT.unpack(slot)
            if mark == PUT:
                found.append((value, step, at, key))
            elif mark != VOID and not final:
                self._holes.append(hole)
        return found

    def _block(self, limit: int, final: bool) -> list[Point] | None:
        """The next points of the segment; None where there is nothing more to read now."""
        segment, offset = self._place
        path = self._path(segment)
        full = final or self._path(segment + 1).exists()
        data = _read(path, offset, (limit + EMPTY_TAIL) * SLOT.size)
        if not data:
            further = self._further() if full else []
            if not further:
                return None
            self._place = Place(further[0], 0)
            return []
        points: list[Point] = []
        empty: list[Place] = []
        for value, step, at, key, mark in SLOT.iter_unpack(data):
            if len(points) == limit:
                break
            if mark in {PUT, VOID}:
                self._note(empty, final)
                self._place, empty = Place(segment, offset + SLOT.size), []
                if mark == PUT:
                    points.append((value, step, at, key))
            else:
                empty.append(Place(segment, offset))
            offset += SLOT.size
        else:
            if full:
                self._note(empty, final)
                self._place = Place(segment, offset)
                return points
        return points or None

    def _note(self, empty: list[Place], final: bool) -> None:
        if not final:
            self._holes += empty

    def _path(self, segment: int) -> Path:
        return self._folder / NAME.format(segment)

    def _further(self) -> list[int]:
        found = (int(path.name.rpartition("-")[2]) for path in self._folder.glob("points-*"))
        return sorted(number for number in found if number > self._place.segment)


def _read(path: Path, offset: int, size: int) -> bytes:
    """Whole slots from an offset on; none where there is no such file."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            data = file.read(size) or b""
    except FileNotFoundError:
        return b""
    return data[: len(data) - len(data) % SLOT.size]


def discard(folder: Path, before: int) -> None:
    """Remove segments whose points have arrived."""
    for path in folder.glob("points-*"):
        if int(path.name.rpartition("-")[2]) < before:
            path.unlink(missing_ok=True)
