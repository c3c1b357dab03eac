"""Many metric points at once: how fast they come in, what each costs on disk, and how fast curves are read."""

from __future__ import annotations

import json
import math
import statistics
import time

from tracking_parts.rates import new_run
from tracking_parts.search import database_size
from tracking_parts.targets import started
from tracking_parts.wire import API, Client, prepared

CURVE = 1_000_000
BATCH = 1000


def measure(points: int) -> None:
    """Print what ``points`` points cost, logged as curves of a million."""
    curves = max(1, points // CURVE)
    print(f"{curves * CURVE:,} metric points in curves of {CURVE:,}")
    with started("treadle") as target:
        empty = database_size(target.home)
        client = Client(target.port)
        began = time.perf_counter()
        bodies = [_values(first) for first in range(0, CURVE, BATCH)]
        preparing = time.perf_counter() - began
        runs = []
        for _ in range(curves):
            run = new_run(client)
            runs.append(run)
            for body in bodies:
                client.send(_of_run(body, run))
        taken = time.perf_counter() - began - preparing
        size = database_size(target.home) - empty
        print(
            f"  logged in {taken:.0f} s, {curves * CURVE / taken:,.0f} points/s; "
            f"{size / curves / CURVE:.1f} bytes a point",
            flush=True,
        )
        whole, down = [], []
        for run in (runs * 5)[:5]:
            whole.append(_read_whole(client, run))
            began = time.perf_counter()
            client.get(f"metrics/get-history-bulk-interval?run_ids={run}&metric_key=loss&max_results=1000")
            down.append((time.perf_counter() - began) * 1000)
        print(
            f"  a curve of {CURVE:,} read whole: {statistics.median(whole):.2f} s (one request); "
            f"downsampled to 1,000: {statistics.median(down):.1f} ms",
            flush=True,
        )


def _values(first: int) -> bytes:
    at = 1_700_000_000_000
    metrics = [
        {
            "key": "loss",
            "value": math.exp(-step / 3e5) + math.sin(step) / 50,
            "timestamp": at + step * 137,
            "step": step,
        }
        for step in range(first, first + BATCH)
    ]
    return prepared("runs/log-batch", {"run_id": "0" * 32, "metrics": metrics})


def _of_run(body: bytes, run: str) -> bytes:
    return body.replace(b"0" * 32, run.encode(), 1)


def _read_whole(client: Client, run: str) -> float:
    """Seconds until the last byte of a curve's history is here; the body is then held against what was logged."""
    began, token, seen = time.perf_counter(), "", 0
    parts = []
    while True:
        more = f"&page_token={token}" if token else ""
        path = f"{API}metrics/get-history?run_id={run}&metric_key=loss&max_results={CURVE}{more}"
        parts.append(client.send(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()))
        tail = parts[-1][-400:]
        if b"next_page_token" not in tail:
            break
        token = json.loads(b"{" + tail[tail.rindex(b'"next_page_token"') :])["next_page_token"]
    taken = time.perf_counter() - began
    for part in parts:
        seen += len(json.loads(part)["metrics"])
    if seen != CURVE:
        raise SystemExit(f"a curve has {seen:,} points where {CURVE:,} were logged")
    return taken
