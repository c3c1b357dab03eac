"""The span of time that a source is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from treadle.domain.errors import InvalidInput


@dataclass(frozen=True)
class Window:
    """Rows from ``start`` (None: from the first one) up to ``until``, exclusive, as they were known at ``as_of``.

    All times are aware and in UTC. Labels that became known after ``as_of`` must be missing. For outcomes the window
    bounds the time at which they became known, ``(start, until]``. Raises InvalidInput for naive times, and for a
    start after the end.
    """

    start: datetime | None
    until: datetime
    as_of: datetime

    def __post_init__(self) -> None:
        for name in ("start", "until", "as_of"):
            time = getattr(self, name)
            if time is None:
                continue
            if time.tzinfo is None:
                raise InvalidInput(f"{name}={time} of a window has no zone", hint="give an aware time: tzinfo=UTC")
            object.__setattr__(self, name, time.astimezone(UTC))
        if self.start is not None and self.start > self.until:
            raise InvalidInput(f"a window starts at {self.start} and ends before, at {self.until}", hint="swap them")
