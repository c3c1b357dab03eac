"""The append-only, hash-chained table of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treadle.domain.events import Event, SealedEvent


class Events(Protocol):
    """Events are appended by whoever changes state, sealed by one sealer, and read by position."""

    def append(self, *events: Event) -> None:
        """Record events that come with no other change. An event whose ``once`` is known is dropped."""
        ...

    def seal(self) -> int:
        """Number and chain all committed events in the order they were appended; return the last position."""
        ...

    def read(self, after: int = 0, *, model: str | None = None, limit: int = 1000) -> Sequence[SealedEvent]:
        """Sealed events with a position greater than ``after``, in order."""
        ...

    def last(self, *, model: str | None = None, kinds: Sequence[str] = (), limit: int = 100) -> Sequence[SealedEvent]:
        """The newest sealed events, newest first."""
        ...

    def verify(self) -> int:
        """Recompute the whole chain and return its length. Raises CorruptData at the first position that is off."""
        ...
