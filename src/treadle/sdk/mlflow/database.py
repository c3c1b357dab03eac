"""MLflow's SQLite database as a source, opened for reading alone."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from treadle.domain.errors import InvalidInput
from treadle.sdk.mlflow.places import files_below, local_folder
from treadle.sdk.mlflow.records import (
    Artifact,
    Dataset,
    Experiment,
    LoggedModel,
    Point,
    RegisteredModel,
    Run,
    Version,
)

ACTIVE = "active"
_MODEL_STATUS = {1: "PENDING", 2: "READY", 3: "UPLOAD_FAILED"}


class DatabaseSource:
    """An SQLite file of MLflow 2 or 3. ``proxied`` is where a server kept its clients' artifacts."""

    def __init__(self, path: Path, proxied: Path | None = None) -> None:
        if not path.is_file():
            raise InvalidInput(f"there is no database {path}", hint="give it as sqlite:///mlflow.db")
        self._path, self._proxied = path, proxied
        self._db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
        self._db.row_factory = sqlite3.Row
        try:
            self._tables = {
                row["name"] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'")
            }
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise InvalidInput(f"{path} is no SQLite database: {error}", hint="give MLflow's") from error
        if not {"experiments", "runs", "metrics"} <= self._tables:
            self._db.close()
            raise InvalidInput(f"{path} is no database of MLflow", hint="it has no table experiments, runs or metrics")

    @property
    def url(self) -> str:
        """The file."""
        return f"sqlite:///{self._path}"

    def experiments(self) -> Iterator[Experiment]:
        """All of them, deleted ones too."""
        for row in self._rows("SELECT * FROM experiments ORDER BY experiment_id"):
            key = row["experiment_id"]
            active = row["lifecycle_stage"] == ACTIVE
            yield Experiment(str(key), row["name"], active, self._pairs("experiment_tags", "experiment_id", key))

    def runs(self, experiment: str) -> Iterator[Run]:
        """The runs of one, deleted ones too."""
        for row in self._rows("SELECT * FROM runs WHERE experiment_id = ? ORDER BY start_time, run_uuid", experiment):
            key = row["run_uuid"]
            tags = self._pairs("tags", "run_uuid", key)
            keys = self._rows("SELECT DISTINCT key FROM metrics WHERE run_uuid = ? ORDER BY key", key)
            yield Run(
                key,
                experiment,
                row["name"] or tags.get("mlflow.runName", ""),
                row["user_id"] or "",
                row["status"] or "RUNNING",
                row["start_time"] or 0,
                row["end_time"],
                row["lifecycle_stage"] == ACTIVE,
                row["artifact_uri"] or "",
                self._pairs("params", "run_uuid", key),
                tags,
                tuple(found["key"] for found in keys),
                self._datasets(key),
                tuple(found["destination_id"] for found in self._links(key, "MODEL_INPUT")),
                tuple((found["destination_id"], found["step"] or 0) for found in self._links(key, "MODEL_OUTPUT")),
            )

    def points(self, run: Run) -> Iterator[Point]:
        """All points of a run's metrics."""
        query = (
            "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, step, timestamp"
        )
        for row in self._rows(query, run.id):
            value = math.nan if row["is_nan"] else row["value"]
            yield Point(row["key"], value, row["timestamp"], row["step"])

    def artifacts(self, run: Run) -> Iterator[Artifact]:
        """A run's files."""
        return files_below(local_folder(run.artifacts, self._proxied))

    def models(self, experiment: str) -> Iterator[LoggedModel]:
        """The logged models of an experiment."""
        if "logged_models" not in self._tables:
            return
        query = "SELECT * FROM logged_models WHERE experiment_id = ? ORDER BY creation_timestamp_ms, model_id"
        for row in self._rows(query, experiment):
            if row["lifecycle_stage"] != ACTIVE:
                continue
            key = row["model_id"]
            params = self._rows("SELECT * FROM logged_model_params WHERE model_id = ?", key)
            tags = self._rows("SELECT * FROM logged_model_tags WHERE model_id = ?", key)
            yield LoggedModel(
                key,
                experiment,
                row["name"],
                row["source_run_id"],
                row["model_type"] or "",
                _MODEL_STATUS.get(row["status"], "READY"),
                row["artifact_location"],
                {found["param_key"]: found["param_value"] for found in params},
                {found["tag_key"]: found["tag_value"] for found in tags},
                tuple(self._measured(key)),
            )

    def model_artifacts(self, model: LoggedModel) -> Iterator[Artifact]:
        """A logged model's files."""
        return files_below(local_folder(model.artifacts, self._proxied))

    def registered(self) -> Iterator[RegisteredModel]:
        """All registered models."""
        if "registered_models" not in self._tables:
            return
        for row in self._rows("SELECT * FROM registered_models ORDER BY creation_time, name"):
            name = row["name"]
            aliases: dict[str, int] = {}
            if "registered_model_aliases" in self._tables:
                found = self._rows("SELECT * FROM registered_model_aliases WHERE name = ?", name)
                aliases = {alias["alias"]: int(alias["version"]) for alias in found}
            tags = self._pairs("registered_model_tags", "name", name)
            yield RegisteredModel(name, row["description"] or "", tags, tuple(self._versions(name)), aliases)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _versions(self, name: str) -> Iterator[Version]:
        for row in self._rows("SELECT * FROM model_versions WHERE name = ? ORDER BY version", name):
            if row["current_stage"] == "Deleted_Internal":
                continue
            tags = self._rows("SELECT * FROM model_version_tags WHERE name = ? AND version = ?", name, row["version"])
            pairs = {tag["key"]: tag["value"] for tag in tags}
            yield Version(
                int(row["version"]),
                row["source"] or "",
                row["run_id"] or None,
                row["description"] or "",
                row["current_stage"] or "None",
                row["creation_time"] or 0,
                {key: value for key, value in pairs.items() if key != "mlflow.model_id"},
                pairs.get("mlflow.model_id"),
            )

    def _measured(self, model: str) -> Iterator[tuple[str, Point]]:
        for row in self._rows("SELECT * FROM logged_model_metrics WHERE model_id = ?", model):
            value = math.nan if row["metric_value"] is None else row["metric_value"]
            point = Point(
                row["metric_name"],
                value,
                row["metric_timestamp_ms"],
                row["metric_step"],
                model,
                row["dataset_name"],
                row["dataset_digest"],
            )
            yield row["run_id"], point

    def _datasets(self, run: str) -> tuple[Dataset, ...]:
        if not {"inputs", "datasets", "input_tags"} <= self._tables:
            return ()
        query = (
            "SELECT i.input_uuid, d.* FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
            "WHERE i.destination_type = 'RUN' AND i.destination_id = ? ORDER BY d.name, d.digest, i.input_uuid"
        )
        return tuple(
            Dataset(
                row["name"],
                row["digest"],
                row["dataset_source_type"],
                row["dataset_source"],
                row["dataset_schema"],
                row["dataset_profile"],
                {
                    tag["name"]: tag["value"]
                    for tag in self._rows("SELECT * FROM input_tags WHERE input_uuid = ?", row["input_uuid"])
                },
            )
            for row in self._rows(query, run)
        )

    def _links(self, run: str, kind: str) -> list[sqlite3.Row]:
        if "inputs" not in self._tables:
            return []
        query = "SELECT * FROM inputs WHERE source_id = ? AND destination_type = ? ORDER BY destination_id"
        return self._rows(query, run, kind)

    def _pairs(self, table: str, column: str, key: Any) -> dict[str, str]:
        rows = self._rows(f"SELECT key, value FROM {table} WHERE {column} = ? ORDER BY key", key)  # noqa: S608 - ours
        return {row["key"]: row["value"] for row in rows}

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return self._db.execute(query, values).fetchall()
