"""The least that can keep runs: raw ASGI, msgspec and SQLite in one process, without checks and filters.

    python benchmarks/tracking_parts/sketch.py DATABASE PORT

The yardstick of benchmarks/tracking.py. It commits every request by itself, as the tracking server must be able to.
"""

from __future__ import annotations

import sqlite3
import sys
import time
import uuid
from typing import Any

import msgspec
import uvicorn


class Create(msgspec.Struct):
    experiment_id: str = "0"
    run_name: str = ""
    start_time: int = 0


class Item(msgspec.Struct):
    key: str
    value: str


class Point(msgspec.Struct):
    key: str
    value: float
    timestamp: int
    step: int = 0


class LogMetric(Point):
    run_id: str = ""


class Batch(msgspec.Struct):
    run_id: str
    metrics: list[Point] = []
    params: list[Item] = []
    tags: list[Item] = []


class Search(msgspec.Struct):
    experiment_ids: list[str] = []
    max_results: int = 100


class Update(msgspec.Struct):
    run_id: str
    status: str = ""
    end_time: int = 0


TABLES = """
create table runs (id integer primary key, uuid text unique, experiment text, name text, status text, started int,
                   ended int);
create table params (run int, key text, value text, primary key (run, key)) without rowid;
create table tags (run int, key text, value text, primary key (run, key)) without rowid;
create table latest (run int, key text, value real, at int, step int, primary key (run, key)) without rowid;
create table points (run int, key text, step int, at int, value real, primary key (run, key, step, at, value))
    without rowid;
"""
POINT = "insert or ignore into points values (?, ?, ?, ?, ?)"
LATEST = (
    "insert into latest values (?, ?, ?, ?, ?) on conflict do update set value = excluded.value, at = excluded.at, "
    "step = excluded.step where (excluded.step, excluded.at) >= (step, at)"
)


class Sketch:
    """The application."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("pragma journal_mode=wal")
        self.db.execute("pragma synchronous=normal")
        self.db.executescript(TABLES)
        self.numbers: dict[str, int] = {}
        self.routes = {
            "runs/create": (msgspec.json.Decoder(Create).decode, self.create),
            "runs/log-metric": (msgspec.json.Decoder(LogMetric, strict=False).decode, self.log_metric),
            "runs/log-batch": (msgspec.json.Decoder(Batch, strict=False).decode, self.log_batch),
            "runs/update": (msgspec.json.Decoder(Update).decode, self.update),
            "runs/search": (msgspec.json.Decoder(Search).decode, self.search),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        name = scope["path"].removeprefix("/api/2.0/mlflow/")
        if name in self.routes:
            decode, handle = self.routes[name]
            answer = msgspec.json.encode(handle(decode(body)))
        elif name == "metrics/get-history":
            asked = dict(part.split("=") for part in scope["query_string"].decode().split("&"))
            answer = msgspec.json.encode(self.history(asked["run_id"], asked["metric_key"]))
        else:
            answer = b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def number(self, run: str) -> int:
        found = self.numbers.get(run)
        if found is None:
            found = self.db.execute("select id from runs where uuid = ?", (run,)).fetchone()[0]
            self.numbers[run] = found
        return found

    def create(self, asked: Create) -> Any:
        run = uuid.uuid4().hex
        started = asked.start_time or int(time.time() * 1000)
        cursor = self.db.execute(
            "insert into runs (uuid, experiment, name, status, started) values (?, ?, ?, 'RUNNING', ?)",
            (run, asked.experiment_id, asked.run_name, started),
        )
        self.numbers[run] = cursor.lastrowid or 0
        return {"run": self.described(run, asked.experiment_id, asked.run_name, "RUNNING", started, [], [], [])}

    def log_metric(self, point: LogMetric) -> Any:
        number = self.number(point.run_id)
        self.db.execute("begin")
        self.db.execute(POINT, (number, point.key, point.step, point.timestamp, point.value))
        self.db.execute(LATEST, (number, point.key, point.value, point.timestamp, point.step))
        self.db.execute("commit")
        return {}

    def log_batch(self, batch: Batch) -> Any:
        number = self.number(batch.run_id)
        self.db.execute("begin")
        self.db.executemany(POINT, [(number, p.key, p.step, p.timestamp, p.value) for p in batch.metrics])
        last: dict[str, Point] = {}
        for p in batch.metrics:
            known = last.get(p.key)
            if known is None or (known.step, known.timestamp) <= (p.step, p.timestamp):
                last[p.key] = p
        self.db.executemany(LATEST, [(number, p.key, p.value, p.timestamp, p.step) for p in last.values()])
        self.db.executemany("insert or ignore into params values (?, ?, ?)", _rows(number, batch.params))
        self.db.executemany("insert or replace into tags values (?, ?, ?)", _rows(number, batch.tags))
        self.db.execute("commit")
        return {}

    def update(self, asked: Update) -> Any:
        number = self.number(asked.run_id)
        self.db.execute("update runs set status = ?, ended = ? where id = ?", (asked.status, asked.end_time, number))
        return {}

    def search(self, asked: Search) -> Any:
        found = self.db.execute(
            "select id, uuid, experiment, name, status, started from runs order by started desc, id desc limit ?",
            (asked.max_results,),
        ).fetchall()
        marks = ",".join("?" * len(found))
        numbers = [row[0] for row in found]
        parts: list[dict[int, list[Any]]] = []
        for table in ("params", "tags"):
            kept: dict[int, list[Any]] = {}
            for run, key, value in self.db.execute(f"select * from {table} where run in ({marks})", numbers):
                kept.setdefault(run, []).append({"key": key, "value": value})
            parts.append(kept)
        latest: dict[int, list[Any]] = {}
        for run, key, value, at, step in self.db.execute(f"select * from latest where run in ({marks})", numbers):
            latest.setdefault(run, []).append({"key": key, "value": value, "timestamp": at, "step": step})
        return {
            "runs": [
                self.described(u, e, n, s, t, parts[0].get(i, []), parts[1].get(i, []), latest.get(i, []))
                for i, u, e, n, s, t in found
            ]
        }

    def history(self, run: str, key: str) -> Any:
        found = self.db.execute(
            "select value, at, step from points where run = ? and key = ?", (self.number(run), key)
        ).fetchall()
        return {"metrics": [{"key": key, "value": v, "timestamp": at, "step": step} for v, at, step in found]}

    def described(
        self, run: str, experiment: str, name: str, status: str, started: int, params: Any, tags: Any, metrics: Any
    ) -> Any:
        info = {
            "run_id": run, "run_uuid": run, "experiment_id": experiment, "run_name": name, "status": status,
            "start_time": started, "artifact_uri": f"mlflow-artifacts:/{experiment}/{run}/artifacts",
            "lifecycle_stage": "active",
        }  # fmt: skip
        return {"info": info, "data": {"params": params, "tags": tags, "metrics": metrics}}


def _rows(number: int, items: list[Item]) -> list[tuple[int, str, str]]:
    return [(number, item.key, item.value) for item in items]


if __name__ == "__main__":
    uvicorn.run(
        Sketch(sys.argv[1]), port=int(sys.argv[2]), loop="uvloop", http="httptools", lifespan="off", access_log=False,
        log_config=None, ws="none",
    )  # fmt: skip
