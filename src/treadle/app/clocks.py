"""The two clocks of a server: the wall's, and a virtual one that its processes share through a file."""

from __future__ import annotations

import mmap
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from treadle.domain.errors import InvalidInput
from treadle.ports.clock import Clock

_SIZE = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return datetime.now(UTC)


class VirtualClock:
    """Time that stands still until somebody moves it.

    The file holds microseconds since 1970 UTC as one signed 64-bit integer in the machine's byte order, mapped into
    every process that opens it; an aligned word is written whole, so readers see the old time or the new one. A missing
    file is made, at 1970. Raises InvalidInput where the file is not eight bytes long.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            _make(path)
        descriptor = os.open(path, os.O_RDWR)
        try:
            if os.fstat(descriptor).st_size != _SIZE:
                raise InvalidInput(f"{path} is no clock file: it is not {_SIZE} bytes long", hint="remove it")
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._view = memoryview(self._map).cast("q")

    def now(self) -> datetime:
        """The virtual present, aware, in UTC."""
        return _EPOCH + timedelta(microseconds=self._view[0])

    def set(self, to: datetime) -> None:
        """Move to ``to`` for every process that shares the file. Raises InvalidInput for a time without a zone."""
        if to.tzinfo is None:
            raise InvalidInput(f"time {to} has no zone", hint="give an aware datetime, for example in UTC")
        self._view[0] = (to - _EPOCH) // _MICROSECOND

    def close(self) -> None:
        """Let go of the file."""
        self._view.release()
        self._map.close()


def _make(path: Path) -> None:
    """Put a whole file in place; of several processes that try at once, the first one's stays."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(bytes(_SIZE))
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def clock_of(home: Path) -> Clock:
    """The clock of the server at ``home``: virtual where its ``clock`` file is there, else the wall's."""
    path = home / "clock"
    return VirtualClock(path) if path.exists() else WallClock()
