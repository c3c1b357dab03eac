"""What the loop is doing now, for people who wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

_IN_WORDS = {
    "RequestTraining": "asking for a training",
    "Train": "training",
    "Judge": "holding against the gates",
    "Promote": "promoting",
    "Refuse": "refusing",
    "Watch": "watching",
    "RollBack": "rolling back",
    "Drive": "rolling out",
}


def in_words(what: str) -> str:
    """What a command of the loop, by its name, is for people."""
    return _IN_WORDS.get(what, what.lower())


@dataclass(frozen=True)
class Doing:
    """One command under way. ``share`` is how far it is, 0 to 1, where that is known; ``since`` is monotonic."""

    model: str
    lane: str
    what: str
    detail: str = ""
    share: float | None = None
    since: float = 0.0


class Activity:
    """A board that executors write to and people read. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doing: dict[tuple[str, str], Doing] = {}
        self._listeners: list[Callable[[Doing], None]] = []

    def start(self, model: str, lane: str, what: str) -> None:
        """A command begins."""
        self._tell(Doing(model, lane, what, since=time.monotonic()))

    def update(self, model: str, lane: str, detail: str, share: float | None = None) -> None:
        """It got on."""
        with self._lock:
            present = self._doing.get((model, lane))
        if present is not None:
            self._tell(replace(present, detail=detail, share=share))

    def end(self, model: str, lane: str) -> None:
        """It is over."""
        with self._lock:
            self._doing.pop((model, lane), None)

    def now(self) -> list[Doing]:
        """Everything under way, the oldest first."""
        with self._lock:
            return sorted(self._doing.values(), key=lambda doing: doing.since)

    def listen(self, listener: Callable[[Doing], None]) -> Callable[[], None]:
        """Call ``listener`` at each change, from the thread that made it; returns how to stop that."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return stop

    def _tell(self, doing: Doing) -> None:
        with self._lock:
            self._doing[(doing.model, doing.lane)] = doing
            listeners = list(self._listeners)
        for listener in listeners:
            listener(doing)
