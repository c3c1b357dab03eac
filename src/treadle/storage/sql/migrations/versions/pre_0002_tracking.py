"""Tracking: experiments, runs, params, tags, curves, data sets, comments. Runs of before move over."""

from __future__ import annotations

import json
import math
import struct
import time
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PLAIN = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
HEAD = 100
STATUS = {"running": 1, "finished": 3, "failed": 4, "cancelled": 5}


def upgrade() -> None:
    """Make the tables anew, with the experiment that is always there, and copy the runs."""
    connection = op.get_bind()
    old = [dict(row._mapping) for row in connection.execute(sa.text("SELECT * FROM runs ORDER BY number"))]
    points = connection.execute(
        sa.text(
            "SELECT m.run, m.key, p.step, p.at, p.value, p.nan "
            "FROM metric_points p JOIN metrics m ON m.number = p.metric"
        )
    ).all()
    for table in ("metric_points", "metrics", "runs"):
        op.drop_table(table)
    _experiments()
    _runs()
    _metrics()
    _links()
    now = int(time.time() * 1000)
    connection.execute(
        sa.text(
            "INSERT INTO experiments (number, name, artifact_location, created, updated, active) "
            "VALUES (0, 'Default', 'mlflow-artifacts:/0', :now, :now, :active)"
        ),
        {"now": now, "active": True},
    )
    connection.execute(sa.text("UPDATE schema_state SET oldest_release = '0002'"))
    Copy(connection, now).run(old, points)


def _experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("name", PLAIN, nullable=False),
        sa.Column("artifact_location", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_experiments"),
        sa.UniqueConstraint("model", name="uq_experiments_model"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_experiments_name_active",
        "experiments",
        ["name"],
        unique=True,
        sqlite_where=sa.text("active"),
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "experiment_tags",
        sa.Column("experiment", NUMBER, nullable=False),
        sa.Column("key", PLAIN, nullable=False),
        sa.Column("value", PLAIN, nullable=False),
        sa.ForeignKeyConstraint(["experiment"], ["experiments.number"], name="fk_experiment_tags_experiment"),
        sa.PrimaryKeyConstraint("experiment", "key", name="pk_experiment_tags"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "keys",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("text", PLAIN, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_keys"),
        sa.UniqueConstraint("text", name="uq_keys_text"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", PLAIN, nullable=False),
        sa.Column("experiment", NUMBER, nullable=False),
        sa.Column("name", PLAIN, nullable=False),
        sa.Column("user_id", PLAIN, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.Column("with_experiment", sa.Boolean(), nullable=False),
        sa.Column("artifact_uri", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["experiment"], ["experiments.number"], name="fk_runs_experiment"),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_experiment_active_started", "runs", ["experiment", "active", "started"], unique=False)
    op.create_index("ix_runs_model_started", "runs", ["model", "started"], unique=False)
    op.create_index("ix_runs_parent", "runs", ["parent"], unique=False)
    op.create_table(
        "run_params",
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("head", PLAIN, nullable=False),
        sa.Column("rest", PLAIN, nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_run_params_run"),
        sa.PrimaryKeyConstraint("run", "key", name="pk_run_params"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_params_key_head_run", "run_params", ["key", "head", "run"], unique=False)
    op.create_table(
        "run_tags",
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("head", PLAIN, nullable=False),
        sa.Column("rest", PLAIN, nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_run_tags_run"),
        sa.PrimaryKeyConstraint("run", "key", name="pk_run_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_tags_key_head_run", "run_tags", ["key", "head", "run"], unique=False)
    op.create_table(
        "run_comments",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", PLAIN, nullable=False),
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("edited", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_run_comments_run"),
        sa.PrimaryKeyConstraint("number", name="pk_run_comments"),
        sa.UniqueConstraint("id", name="uq_run_comments_id"),
    )
    op.create_index("ix_run_comments_run", "run_comments", ["run"], unique=False)


def _metrics() -> None:
    op.create_table(
        "run_metrics",
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("nan", sa.Boolean(), nullable=False),
        sa.Column("least", sa.Float(), nullable=True),
        sa.Column("greatest", sa.Float(), nullable=True),
        sa.Column("loose", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_run_metrics_run"),
        sa.PrimaryKeyConstraint("run", "key", name="pk_run_metrics"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_metrics_key_nan_value_run", "run_metrics", ["key", "nan", "value", "run"], unique=False)
    op.create_table(
        "metric_tail",
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bits", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("run", "key", "step", "at", "bits", name="pk_metric_tail"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metric_chunks",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("full", sa.Boolean(), nullable=False),
        sa.Column("least", sa.Float(), nullable=True),
        sa.Column("least_step", sa.BigInteger(), nullable=True),
        sa.Column("least_at", sa.BigInteger(), nullable=True),
        sa.Column("greatest", sa.Float(), nullable=True),
        sa.Column("greatest_step", sa.BigInteger(), nullable=True),
        sa.Column("greatest_at", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_metric_chunks"),
    )
    op.create_index(
        "ix_metric_chunks_run_key_first_step_first_at",
        "metric_chunks",
        ["run", "key", "first_step", "first_at"],
        unique=False,
    )


def _links() -> None:
    op.create_table(
        "datasets",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("experiment", NUMBER, nullable=False),
        sa.Column("name", PLAIN, nullable=False),
        sa.Column("digest", PLAIN, nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["experiment"], ["experiments.number"], name="fk_datasets_experiment"),
        sa.PrimaryKeyConstraint("number", name="pk_datasets"),
        sa.UniqueConstraint("experiment", "name", "digest", name="uq_datasets_experiment_name_digest"),
    )
    op.create_table(
        "run_datasets",
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("dataset", NUMBER, nullable=False),
        sa.Column("context", PLAIN, nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.number"], name="fk_run_datasets_dataset"),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_run_datasets_run"),
        sa.PrimaryKeyConstraint("run", "dataset", name="pk_run_datasets"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_datasets_dataset", "run_datasets", ["dataset"], unique=False)
    op.create_table(
        "run_models",
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("output", sa.Boolean(), nullable=False),
        sa.Column("model_id", PLAIN, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_run_models_run"),
        sa.PrimaryKeyConstraint("run", "output", "model_id", "step", name="pk_run_models"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_models_model_id", "run_models", ["model_id"], unique=False)


class Copy:
    """Runs as they were kept before, put into the new tables."""

    def __init__(self, connection: sa.Connection, now: int) -> None:
        self._connection = connection
        self._now = now
        self._keys: dict[str, int] = {}
        self._experiments: dict[str, int] = {}

    def run(self, old: list[dict[str, Any]], points: Any) -> None:
        """Copy all of them; each gives its model an experiment."""
        numbers = set()
        for row in old:
            body = json.loads(row["body"])
            self._insert_run(row, body)
            numbers.add(row["number"])
        by_curve: dict[tuple[int, str], list[tuple[int, int, float]]] = {}
        for run, key, step, at, value, nan in points:
            if run in numbers:
                curve = by_curve.setdefault((run, key), [])
                curve.append((step, at // 1000, float("nan") if nan else float(value)))
        for (run, key), curve in by_curve.items():
            self._insert_curve(run, key, curve)

    def _execute(self, table: str, **values: Any) -> None:
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        self._connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)  # noqa: S608

    def _number(self, cache: dict[str, int], table: str, of: str, **values: Any) -> int:
        if of not in cache:
            cache[of] = len(cache) + 1
            self._execute(table, number=cache[of], **values)
        return cache[of]

    def _insert_run(self, row: dict[str, Any], body: dict[str, Any]) -> None:
        model = row["model"]
        number = len(self._experiments) + 1
        experiment = self._number(
            self._experiments,
            "experiments",
            model,
            name=model,
            artifact_location=f"mlflow-artifacts:/{self._experiments.get(model, number)}",
            created=self._now,
            updated=self._now,
            active=True,
            model=model,
        )
        ended = body.get("ended_at")
        self._execute(
            "runs",
            number=row["number"],
            id=row["id"],
            experiment=experiment,
            name=row["id"],
            user_id="treadle",
            status=STATUS.get(body["status"], 3),
            started=_milliseconds(body["started_at"]),
            ended=None if ended is None else _milliseconds(ended),
            active=True,
            with_experiment=False,
            model=model,
            parent=row["parent"],
            body=row["body"],
        )
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body["params"].items()}
        for table, values in (("run_params", texts), ("run_tags", {**body["tags"], "mlflow.runName": row["id"]})):
            for name, value in values.items():
                key = self._number(self._keys, "keys", name, text=name)
                self._execute(table, run=row["number"], key=key, head=value[:HEAD], rest=value[HEAD:] or None)

    def _insert_curve(self, run: int, key: str, curve: list[tuple[int, int, float]]) -> None:
        number = self._number(self._keys, "keys", key, text=key)
        numbers = [value for _, _, value in curve if not math.isnan(value)]
        step, at, value = max(curve, key=lambda point: point[:2])
        self._execute(
            "run_metrics",
            run=run,
            key=number,
            step=step,
            at=at,
            value=0.0 if math.isnan(value) else value,
            nan=math.isnan(value),
            least=min(numbers, default=None),
            greatest=max(numbers, default=None),
            loose=len(curve),
        )
        for point in {(step, at, struct.unpack("<q", struct.pack("<d", value))[0]) for step, at, value in curve}:
            self._execute("metric_tail", run=run, key=number, step=point[0], at=point[1], bits=point[2])


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
