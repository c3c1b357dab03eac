"""Search among many runs: filtered and ordered, counted, and paged to the end."""

from __future__ import annotations

import random
import statistics
import subprocess
import time
from itertools import islice
from pathlib import Path
from typing import Any

from tracking_parts.targets import HERE, Target, mlflow_python, started
from tracking_parts.wire import Client, prepared

FILTER = "metrics.metric_3 > 0.2 and params.param_1 = 'value 7' and tags.tag_2 = 'green'"
ORDER = ["metrics.metric_5 DESC"]
COLOURS = ("red", "green", "blue")
QUERIES: dict[str, dict[str, Any]] = {
    "filtered by three, ordered": {"filter": FILTER, "order_by": ORDER},
    "by one metric, ordered": {"filter": "metrics.metric_3 > 0.9", "order_by": ORDER},
    "by a param with LIKE": {"filter": "params.param_2 LIKE '%7'", "order_by": ["attributes.start_time DESC"]},
    "by status, newest first": {"filter": "attributes.status = 'FINISHED'", "order_by": []},
    "all, ordered by a metric": {"filter": "", "order_by": ORDER},
}


def measure(runs: int, rounds: int = 30) -> None:
    """Print the times of searches for 100 of them."""
    print(f"search of 100 among {runs:,} runs of 20 params, 20 metrics, 5 tags (mlflow: {runs // 10:,})")
    with started("treadle") as treadle:
        began = time.perf_counter()
        fill(treadle, runs)
        print(f"  treadle filled in {time.perf_counter() - began:.0f} s over HTTP", flush=True)
        _queries(treadle, rounds)
        _count(treadle, rounds)
        _paged(treadle)
    with started("mlflow") as mlflow:
        path = mlflow.home / "mlflow.db"
        subprocess.run([str(mlflow_python()), str(HERE / "fill_mlflow.py"), str(path), str(runs // 10)], check=True)
        _queries(mlflow, max(3, rounds // 6))


def described(number: int) -> dict[str, list[dict[str, Any]]]:
    """What run ``number`` holds; the same for every server."""
    chance = random.Random(number)
    at = 1_700_000_000_000 + number
    return {
        "params": [{"key": f"param_{i}", "value": f"value {chance.randrange(10 + i)}"} for i in range(20)],
        "metrics": [{"key": f"metric_{i}", "value": chance.random(), "timestamp": at, "step": 0} for i in range(20)],
        "tags": [{"key": f"tag_{i}", "value": chance.choice(COLOURS)} for i in range(5)],
    }


def fill(target: Target, runs: int) -> None:
    """Log the runs over HTTP, three requests each."""
    client = Client(target.port)
    for number in range(runs):
        at = 1_700_000_000_000 + number
        run = client.post("runs/create", experiment_id="0", start_time=at)["run"]["info"]["run_id"]
        client.send(prepared("runs/log-batch", {"run_id": run, **described(number)}))
        client.send(prepared("runs/update", {"run_id": run, "status": "FINISHED", "end_time": at + 1000}))
    client.close()


def _queries(target: Target, rounds: int) -> None:
    client = Client(target.port)
    for what, query in QUERIES.items():
        times = []
        found = 0
        for _ in range(rounds):
            began = time.perf_counter()
            answer = client.post("runs/search", experiment_ids=["0"], max_results=100, **query)
            times.append((time.perf_counter() - began) * 1000)
            found = len(answer.get("runs", []))
        times.sort()
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
        print(
            f"  {target.name:8} {what:28} {found:4} found  p50 {statistics.median(times):8.1f} ms  p99 {p99:8.1f} ms",
            flush=True,
        )


def _count(target: Target, rounds: int) -> None:
    client = Client(target.port)
    for what, query in QUERIES.items():
        times, counted = [], 0
        for _ in range(rounds):
            began = time.perf_counter()
            answer = client.post("runs/search", experiment_ids=["0"], max_results=1, count=True, **query)
            times.append((time.perf_counter() - began) * 1000)
            counted = int(answer.get("count", answer.get("total_count", -1)))
        print(
            f"  {target.name:8} count, {what:21} {counted:7,}        p50 {statistics.median(times):8.1f} ms", flush=True
        )


def _paged(target: Target) -> None:
    client = Client(target.port)
    token, pages, seen = "", [], 0
    while True:
        began = time.perf_counter()
        more = {"page_token": token} if token else {}
        answer = client.post("runs/search", experiment_ids=["0"], max_results=1000, order_by=ORDER, **more)
        pages.append((time.perf_counter() - began) * 1000)
        seen += len(answer.get("runs", []))
        token = answer.get("next_page_token", "")
        if not token:
            break
    tenth = max(1, len(pages) // 10)
    first, last = statistics.median(islice(pages, tenth)), statistics.median(pages[-tenth - 1 : -1] or pages)
    print(
        f"  {target.name:8} paging to the end: {seen:,} runs in {sum(pages) / 1000:.1f} s; a page of 1,000 takes "
        f"{first:.0f} ms at the beginning, {last:.0f} ms at the end",
        flush=True,
    )


def database_size(home: Path) -> int:
    """Bytes of a home's database with its log."""
    return sum(path.stat().st_size for path in home.rglob("treadle.db*"))
