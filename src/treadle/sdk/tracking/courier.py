"""The thread beside a run that delivers what was logged, and waits where the server is away."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from treadle.sdk.tracking.delivery import Delivery, ParkedError
from treadle.sdk.tracking.server import AwayError, TrackingServer
from treadle.sdk.tracking.spool import Spool

PAUSE = 0.25
"""Seconds between deliveries, so that they carry many points."""

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 15.0
AWAY_PATIENCE = 3.0
"""Seconds for which the end of a run waits for a server that does not answer."""


class Courier:
    """Delivers a spool in the background. ``first`` is done before, ``arrived`` when the server has the run."""

    def __init__(self, spool: Spool, first: Callable[[], None], arrived: Callable[[], None]) -> None:
        self._spool = spool
        self._first, self._arrived = first, arrived
        self._server = TrackingServer(spool.header.server)
        self._delivery = Delivery(spool, self._server)
        self._state = threading.Condition()
        self._asked = self._done = 0
        self._closing = self._stopped = False
        self._away_since: float | None = None
        self.trouble = ""
        self._thread = threading.Thread(target=self._work, name="treadle-courier", daemon=True)
        self._thread.start()

    @property
    def delivered(self) -> bool:
        """Whether the run is over and everything has arrived."""
        return self._delivery.finished and not self.trouble

    def flush(self, timeout: float | None, *, closing: bool = False) -> bool:
        """Wait until all that was logged before has arrived; whether it has.

        Without a timeout it waits as long as things arrive, and three seconds for a server that is away.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with self._state:
            self._asked += 1
            self._closing = self._closing or closing
            wanted = self._asked
            self._state.notify_all()
            while self._done < wanted and not self._stopped and not self._given_up(until):
                self._state.wait(PAUSE)
            return self._done >= wanted and not self.trouble

    def stop(self) -> None:
        """Deliver nothing more. What has not arrived stays where it is."""
        with self._state:
            self._stopped = True
            self._state.notify_all()
        self._thread.join(2 * PAUSE)

    def _given_up(self, until: float | None) -> bool:
        now = time.monotonic()
        if until is not None:
            return now >= until
        return self._away_since is not None and now - self._away_since > AWAY_PATIENCE

    def _work(self) -> None:
        try:
            self._deliver_all()
        except BaseException as error:  # whoever waits is told; what was logged stays in the spool
            self.trouble = f"{type(error).__name__}: {error}"
            raise
        finally:
            with self._state:
                self._stopped = True
                self._state.notify_all()
            self._server.close()

    def _deliver_all(self) -> None:
        self._first()
        backoff = FIRST_BACKOFF
        while not self._stopped:
            with self._state:
                asked, closing = self._asked, self._closing
            known = self._delivery.target
            try:
                self._delivery.deliver(final=closing)
                self._away_since, self.trouble, backoff = None, "", FIRST_BACKOFF
            except AwayError as error:
                self._away_since = self._away_since or time.monotonic()
                self.trouble = str(error)
                self._wait(asked, backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF)
                continue
            except ParkedError as error:
                self.trouble = str(error)
                self._stopped = True
            with self._state:
                self._done = asked
                self._state.notify_all()
            if closing or self._stopped:
                break
            if known is None:
                self._arrived()
            self._wait(asked, PAUSE)

    def _wait(self, asked: int, seconds: float) -> None:
        with self._state:
            if self._asked == asked and not self._stopped:
                self._state.wait(seconds)


def tell(text: str) -> None:
    """A line on standard error."""
    stream = sys.__stderr__
    if stream is not None:
        stream.write(f"treadle: {text}{os.linesep}")
