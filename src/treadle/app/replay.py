"""History as production traffic: rows of a model's own source, sent as real requests under the virtual clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import polars as pl

from treadle.domain.errors import InvalidInput, TreadleError, WorkerUnavailable
from treadle.sdk import Client
from treadle.spec.model_spec import ModelSpec

CONNECTIONS = 2
ROWS_A_REQUEST = 200
PATIENCE = 60.0
RETRY = 0.2


@dataclass(frozen=True)
class Batch:
    """Rows that arrive in the hour that begins at ``at``: a JSON body for each request."""

    at: datetime
    bodies: tuple[bytes, ...]
    rows: int


@dataclass
class Sent:
    """What became of the requests so far."""

    requests: int = 0
    rows: int = 0
    failed: int = 0
    first_failure: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, rows: int, failure: str = "") -> None:
        """Count one request."""
        with self.lock:
            self.requests += 1
            if failure:
                self.failed += 1
                self.first_failure = self.first_failure or failure
            else:
                self.rows += rows


def batches(spec: ModelSpec, rows: pl.DataFrame, since: datetime, until: datetime) -> Iterator[Batch]:
    """The rows of ``[since, until)`` hour by hour, the label left out. Needs a time column."""
    if spec.time is None:
        raise InvalidInput(f"model {spec.name!r} has no time column", hint="declare time= to replay its history")
    wanted = [column.name for column in spec.features_in]
    time = pl.col(spec.time)
    frame = rows.filter((time >= since) & (time < until)).sort(spec.time).select(wanted)
    frame = frame.with_columns(__hour=time.dt.truncate("1h"))
    texts = [c for c in wanted if isinstance(frame.schema[c], pl.Datetime | pl.Date)]
    frame = frame.with_columns(pl.col(c).dt.strftime("%Y-%m-%dT%H:%M:%SZ") for c in texts)
    for (hour,), part in frame.group_by("__hour", maintain_order=True):
        part = part.drop("__hour")  # noqa: PLW2901
        bodies = tuple(b'{"rows":' + piece.write_json().encode() + b"}" for piece in part.iter_slices(ROWS_A_REQUEST))
        if not isinstance(hour, datetime):
            raise TreadleError(f"column {spec.time} holds no times")
        yield Batch(hour, bodies, part.height)


class Sender:
    """Sends batches to a gateway over a few connections that are kept open."""

    def __init__(self, gateway_url: str, model: str) -> None:
        self._path = f"/models/{model}/predict"
        self._client = httpx.Client(
            base_url=gateway_url,
            timeout=30,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="sender")
        self.sent = Sent()

    def send(self, batch: Batch) -> None:
        """Send one batch's requests and wait for all answers."""
        rows = batch.rows // max(len(batch.bodies), 1)
        if len(batch.bodies) == 1:
            self._post(batch.bodies[0], batch.rows)
        else:
            list(self._pool.map(lambda body: self._post(body, rows), batch.bodies))

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown()
        self._client.close()

    def _post(self, body: bytes, rows: int) -> None:
        try:
            answer = self._client.post(self._path, content=body, headers={"content-type": "application/json"})
        except httpx.HTTPError as error:
            self.sent.add(rows, f"{type(error).__name__}: {error}")
            return
        if answer.status_code == httpx.codes.OK:
            self.sent.add(rows)
        else:
            self.sent.add(rows, f"{answer.status_code}: {answer.text[:300]}")


def advanced(client: Client, to: datetime) -> Iterator[dict[str, Any]]:
    """Move the clock as :meth:`Client.advance` does, and go on where the control process was started anew meanwhile.

    Raises WorkerUnavailable where nothing answers for ``PATIENCE`` seconds.
    """
    lost: float | None = None
    while True:
        try:
            for line in client.advance(to):
                lost = None
                yield line
        except WorkerUnavailable:
            lost = time.monotonic() if lost is None else lost
            if time.monotonic() - lost > PATIENCE:
                raise
            yield {"waiting": "the server is starting again"}
            time.sleep(RETRY)
        except InvalidInput:
            if lost is None or client.clock().now < to:
                raise
            return  # what broke off has arrived, and time went on
        else:
            return


def hours_between(since: datetime, until: datetime) -> int:
    """How many whole hours lie between two times."""
    return int((until - since) / timedelta(hours=1))
