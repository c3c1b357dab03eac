"""What the events say of each model, kept up to date by reading only what is new."""

from __future__ import annotations

import threading

from treadle.loop.state import LoopState, ModelState
from treadle.ports.events import Events

_READ = 1000


class History:
    """The loop's own fold over sealed events, for routes that must know what is under way. Safe for threads."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._state = LoopState()

    def model(self, name: str) -> ModelState:
        """One model's state as of the last sealed event."""
        return self.now().models.get(name, ModelState(name))

    def now(self) -> LoopState:
        """All models' state as of the last sealed event."""
        with self._lock:
            while sealed := self._events.read(self._state.position, limit=_READ):
                self._state = self._state.fold(sealed)
            return self._state
