"""Events in lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from treadle.domain import events as chained
from treadle.domain.errors import CorruptData
from treadle.domain.events import Event, SealedEvent


class MemoryEvents:
    """``ports.Events``. The other doubles write through :meth:`with_change`: a change and its events are one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: list[Event] = []
        self._sealed: list[SealedEvent] = []
        self._once: set[tuple[str, str]] = set()

    def with_change(self, events: Sequence[Event], change: Callable[[], bool | None]) -> bool:
        """Make a change and record the events that tell of it; neither where ``change`` raises or answers False."""
        copies = [chained.decode(chained.encode(event)) for event in events]
        with self._lock:
            if change() is False:
                return False
            for event in copies:
                if event.once is not None:
                    if (event.model, event.once) in self._once:
                        continue
                    self._once.add((event.model, event.once))
                self._waiting.append(event)
        return True

    def append(self, *events: Event) -> None:
        """Record events that come with no other change. An event whose ``once`` is known is dropped."""
        self.with_change(events, lambda: None)

    def seal(self) -> int:
        """Number and chain all events in the order they were appended; return the last position."""
        with self._lock:
            for event in self._waiting:
                previous = self._sealed[-1].hash if self._sealed else chained.GENESIS
                position = len(self._sealed) + 1
                digest = chained.chain_hash(previous, position, chained.encode(event))
                self._sealed.append(SealedEvent(position, event, previous, digest))
            self._waiting.clear()
            return len(self._sealed)

    def read(self, after: int = 0, *, model: str | None = None, limit: int = 1000) -> Sequence[SealedEvent]:
        """Sealed events with a position greater than ``after``, in order."""
        with self._lock:
            later = self._sealed[max(after, 0) :]
        return [sealed for sealed in later if model is None or sealed.event.model == model][:limit]

    def last(self, *, model: str | None = None, kinds: Sequence[str] = (), limit: int = 100) -> Sequence[SealedEvent]:
        """The newest sealed events, newest first."""
        found = [s for s in self.read(model=model, limit=2**31) if not kinds or s.event.payload.kind in kinds]
        return found[::-1][:limit]

    def verify(self) -> int:
        """Recompute the whole chain and return its length. Raises CorruptData at the first position that is off."""
        previous = chained.GENESIS
        for position, sealed in enumerate(self.read(limit=2**31), start=1):
            expected = chained.chain_hash(previous, position, chained.encode(sealed.event))
            if (sealed.position, sealed.previous_hash, sealed.hash) != (position, previous, expected):
                raise CorruptData(f"event {position} is not the one that was sealed")
            previous = sealed.hash
        return len(self._sealed)
