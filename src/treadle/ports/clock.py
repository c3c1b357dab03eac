"""Time as the loop sees it: the wall's, or a virtual one. Latencies and timeouts use the monotonic clock instead."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells what time it is."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...
