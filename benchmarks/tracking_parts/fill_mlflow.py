"""Put runs straight into MLflow's database, since its server takes minutes for each thousand.

python fill_mlflow.py DATABASE RUNS
"""

from __future__ import annotations

import sqlite3
import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tracking_parts.search import described


def main(path: str, runs: int) -> None:
    """Fill the tables as its SQLAlchemy store does."""
    db = sqlite3.connect(path, timeout=60)
    columns = [row[1] for row in db.execute("pragma table_info(runs)")]
    for number in range(runs):
        at, run = 1_700_000_000_000 + number, uuid.uuid4().hex
        row = {
            "run_uuid": run,
            "name": f"run-{number}",
            "source_type": "UNKNOWN",
            "source_name": "",
            "entry_point_name": "",
            "user_id": "bench",
            "status": "FINISHED",
            "start_time": at,
            "end_time": at + 1000,
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": f"mlflow-artifacts:/0/{run}/artifacts",
            "experiment_id": 0,
            "deleted_time": None,
        }
        kept = [name for name in row if name in columns]
        marks = ",".join("?" * len(kept))
        db.execute(f"insert into runs ({','.join(kept)}) values ({marks})", [row[name] for name in kept])
        items = described(number)
        _put(db, "params", [(p["key"], p["value"], run) for p in items["params"]], "key, value, run_uuid")
        _put(db, "tags", [(t["key"], t["value"], run) for t in items["tags"]], "key, value, run_uuid")
        points = [(m["key"], m["value"], m["timestamp"], run, 0, 0) for m in items["metrics"]]
        _put(db, "metrics", points, "key, value, timestamp, run_uuid, step, is_nan")
        _put(db, "latest_metrics", points, "key, value, timestamp, run_uuid, step, is_nan")
    db.commit()


def _put(db: sqlite3.Connection, table: str, rows: list[tuple[object, ...]], columns: str) -> None:
    marks = ",".join("?" * len(rows[0]))
    db.executemany(f"insert into {table} ({columns}) values ({marks})", rows)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
