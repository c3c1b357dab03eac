"""Mirroring: requests that were answered are scored again by versions on trial, off the request path."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from treadle.domain.errors import TreadleError
from treadle.domain.predictions import PredictionRecord
from treadle.ports.predictions import PredictionWriter
from treadle.serve.metrics import ServingMetrics
from treadle.serve.schema import Batch
from treadle.serve.table import LoadedModel, LoadedVersion

MOST_REQUESTS, MOST_ROWS = 512, 50_000
"""What may wait to be mirrored, in requests and in rows; what comes on top is dropped and counted."""

Score = Callable[[LoadedModel, LoadedVersion, Batch], Awaitable[tuple[Sequence[Any], Sequence[Any]]]]
"""Scores and decisions of a version for a batch."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Mirrored:
    """A request that was answered at ``at`` and waits for the answer of ``version``, which is on trial."""

    model: LoadedModel
    version: LoadedVersion
    batch: Batch
    request_id: str
    at: datetime


class Mirror:
    """A bounded queue, and one task that works it off, one request at a time and at most half of the time.

    A mirrored answer is logged under the request's own id and time, as a shadow, and goes nowhere else. Whatever goes
    wrong here is counted and never reaches a caller. Kept on the event loop's thread alone.
    """

    def __init__(
        self,
        score: Score,
        writer: PredictionWriter,
        metrics: ServingMetrics,
        *,
        most_requests: int = MOST_REQUESTS,
        most_rows: int = MOST_ROWS,
    ) -> None:
        self._score = score
        self._writer = writer
        self._metrics = metrics
        self._most_requests = most_requests
        self._most_rows = most_rows
        self._waiting: deque[Mirrored] = deque()
        self._rows = 0
        self._task: asyncio.Task[None] | None = None

    def offer(self, request: Mirrored) -> bool:
        """Take a request in unless the queue is full; its version is not closed before the request's turn has come."""
        if len(self._waiting) >= self._most_requests or self._rows + request.batch.rows > self._most_rows:
            self._metrics.mirror_dropped(request.model.served.model, request.version.number, "full")
            return False
        request.version.in_flight += 1
        self._rows += request.batch.rows
        self._waiting.append(request)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return True

    async def settle(self, seconds: float) -> None:
        """Wait until nothing waits any more, for at most ``seconds``; what is left then is dropped and counted."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._waiting:
            request = self._take()
            request.version.in_flight -= 1
            self._metrics.mirror_dropped(request.model.served.model, request.version.number, "stopped")

    def _take(self) -> Mirrored:
        request = self._waiting.popleft()
        self._rows -= request.batch.rows
        return request

    async def _work(self) -> None:
        await asyncio.sleep(0)
        while self._waiting:
            started = time.perf_counter()
            await self._answer(self._take())
            await asyncio.sleep(time.perf_counter() - started)

    async def _answer(self, request: Mirrored) -> None:
        name, served = request.model.served.model, request.version.served
        started = time.perf_counter()
        try:
            scores, decisions = await self._score(request.model, request.version, request.batch)
            record = PredictionRecord(
                request_id=request.request_id,
                model=name,
                version=served.version,
                at=request.at,
                rows=request.batch.rows,
                columns=request.batch.columns,
                scores=scores,
                decisions=decisions,
                threshold=served.threshold,
                latency_ms=(time.perf_counter() - started) * 1e3,
                shadow=True,
            )
            self._writer.append(record)
        except (TreadleError, OSError) as error:
            self._metrics.mirror_dropped(name, served.version, "failed")
            _log.warning("version %d of %r gave no mirrored answer: %s", served.version, name, error)
        except Exception:  # noqa: BLE001 - a version on trial must not take the gateway down
            self._metrics.mirror_dropped(name, served.version, "failed")
            _log.exception("mirroring a request to version %d of %r failed", served.version, name)
        else:
            self._metrics.mirrored(name, served.version)
        finally:
            request.version.in_flight -= 1
