"""A tracking server as a target: what is there already is left, what is missing is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from treadle.domain.errors import InvalidInput
from treadle.sdk.mlflow.records import Dataset, Experiment, LoggedModel, Point, RegisteredModel, Run, Version
from treadle.sdk.mlflow.rest import Remote, RestSource
from treadle.sdk.tracking.server import RefusedError

METRICS, PARAMS, TAGS = 1000, 100, 100
ORIGIN_TAG = "treadle.run"
"""Names the run at its source, where the target gave it another id."""

DEFAULT_NAME = "Default"


class Target:
    """Writes to a server. Raises RefusedError where it does not take something, WorkerUnavailable where it is away."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.reading = RestSource(remote)
        self._keeps_ids = remote.is_treadle()

    def experiment(self, wanted: Experiment) -> tuple[str, bool]:
        """The id of the experiment of that name, and whether it is to be deleted again in the end.

        A deleted one does not become an active one of the same name.
        """
        found = self._named(wanted.name)
        if found is not None and found.active and not wanted.active and wanted.name != DEFAULT_NAME:
            wanted = Experiment(wanted.id, f"{wanted.name} (deleted {wanted.id})", wanted.active, wanted.tags)
            found = self._named(wanted.name)
        if found is None:
            key = str(self.remote.post("experiments/create", name=wanted.name)["experiment_id"])
        else:
            key = found.id
            if not found.active:
                self.remote.post("experiments/restore", experiment_id=key)
        for name, value in wanted.tags.items():
            self.remote.post("experiments/set-experiment-tag", experiment_id=key, key=name, value=value)
        return key, not wanted.active and wanted.name != DEFAULT_NAME

    def delete_experiment(self, experiment: str) -> None:
        """Mark as deleted, with its runs."""
        self.remote.post("experiments/delete", experiment_id=experiment)

    def find_run(self, run: Run, experiment: str) -> Run | None:
        """The run as it is there already."""
        if self._keeps_ids:
            return self.reading.run(run.id)
        asked = {
            "experiment_ids": [experiment],
            "filter": f"tags.`{ORIGIN_TAG}` = '{run.id}'",
            "run_view_type": "ALL",
            "max_results": 1,
        }
        found = self.remote.post("runs/search", **asked).get("runs") or ()
        return self.reading.run(found[0]["info"]["run_id"]) if found else None

    def create_run(self, run: Run, experiment: str) -> Run:
        """The run without what was logged to it."""
        tags = [{"key": "mlflow.runName", "value": run.name}] if run.name else []
        body = {
            "experiment_id": experiment,
            "run_name": run.name,
            "user_id": run.user,
            "start_time": run.started,
            "tags": [*tags, {"key": ORIGIN_TAG, "value": run.id}] if not self._keeps_ids else tags,
        }
        own = {"run_id": run.id} if self._keeps_ids else {}
        made = self.remote.post("runs/create", **body, **own)["run"]["info"]["run_id"]
        found = self.reading.run(made)
        if found is None:
            raise InvalidInput(
                f"{self.remote.url} made run {made} and does not have it", hint="is it a tracking server?"
            )
        return found

    def log(self, run: str, params: Mapping[str, str], tags: Mapping[str, str], points: Iterable[Point]) -> None:
        """Log everything, in batches."""
        for kind, values, most in (("params", params, PARAMS), ("tags", tags, TAGS)):
            items = [{"key": key, "value": value} for key, value in values.items()]
            for start in range(0, len(items), most):
                self.remote.post("runs/log-batch", run_id=run, **{kind: items[start : start + most]})
        for batch in _batches(points, METRICS):
            self.remote.post("runs/log-batch", run_id=run, metrics=[_metric(point) for point in batch])

    def log_inputs(self, run: str, datasets: Iterable[Dataset], models: Iterable[str]) -> None:
        """What the run used."""
        inputs = [{"dataset": _dataset(one), "tags": _pairs(one.tags)} for one in datasets]
        body = {"datasets": inputs} if inputs else {}
        known = [{"model_id": model} for model in models]
        if inputs or known:
            self.remote.post("runs/log-inputs", run_id=run, **body, **({"models": known} if known else {}))

    def log_outputs(self, run: str, models: Iterable[tuple[str, int]]) -> None:
        """What the run made."""
        made = [{"model_id": model, "step": step} for model, step in models]
        if made:
            self.remote.post("runs/outputs", run_id=run, models=made)

    def end_run(self, run: str, source: Run) -> None:
        """Its status and its end."""
        ended = {"end_time": source.ended} if source.ended is not None else {}
        self.remote.post("runs/update", run_id=run, status=source.status, **ended)

    def set_tag(self, run: str, key: str, value: str) -> None:
        """Set a tag of a run."""
        self.remote.post("runs/set-tag", run_id=run, key=key, value=value)

    def delete_run(self, run: str) -> None:
        """Mark as deleted."""
        self.remote.post("runs/delete", run_id=run)

    def restore_run(self, run: str) -> None:
        """Bring back."""
        self.remote.post("runs/restore", run_id=run)

    def upload(self, place: str, path: str, file: Path) -> None:
        """Put a file below an artifact root."""
        self.remote.upload(place, path, file)

    def logged_model(self, model: LoggedModel, experiment: str, run: str | None) -> LoggedModel:
        """The logged model, made where it is not there."""
        for found in self.reading.models(experiment):
            if found.id == model.id or found.tags.get(ORIGIN_TAG) == model.id:
                return found
        tags = model.tags if self._keeps_ids else {**model.tags, ORIGIN_TAG: model.id}
        body = {
            "experiment_id": experiment,
            "name": model.name,
            "model_type": model.kind,
            "source_run_id": run or "",
            "params": _pairs(model.params),
            "tags": _pairs(tags),
            **({"model_id": model.id} if self._keeps_ids else {}),
        }
        made = self.remote.post("logged-models", **body)["model"]["info"]
        return LoggedModel(
            made["model_id"], experiment, model.name, run, model.kind, "PENDING", made["artifact_uri"], {}, {}
        )

    def finalize(self, model: str, status: str) -> None:
        """A logged model is ready, or its upload failed."""
        if status != "PENDING":
            code = "LOGGED_MODEL_UPLOAD_FAILED" if "FAILED" in status else "LOGGED_MODEL_READY"
            self.remote.send("PATCH", f"logged-models/{model}", model_id=model, status=code)

    def tag_model(self, model: str, key: str, value: str) -> None:
        """Set a tag of a logged model."""
        self.remote.send("PATCH", f"logged-models/{model}/tags", model_id=model, tags=[{"key": key, "value": value}])

    def registered_model(self, model: RegisteredModel) -> list[Version]:
        """The registered model, made where it is not there; the versions that it has."""
        try:
            body = {"name": model.name, "description": model.description, "tags": _pairs(model.tags)}
            self.remote.post("registered-models/create", **body)
        except RefusedError as error:
            if error.code not in {"RESOURCE_ALREADY_EXISTS", "RESOURCE_CONFLICT"}:
                raise
        return self.reading.versions(model.name)

    def create_version(self, model: str, version: Version) -> int:
        """A version; the number that it got."""
        body = {
            "name": model,
            "source": version.source,
            "description": version.description,
            "tags": _pairs(version.tags),
            **({"run_id": version.run} if version.run else {}),
            **({"model_id": version.model} if version.model else {}),
        }
        return int(self.remote.post("model-versions/create", **body)["model_version"]["version"])

    def delete_version(self, model: str, number: int) -> None:
        """Remove a version that only kept a number."""
        self.remote.send("DELETE", "model-versions/delete", name=model, version=str(number))

    def set_stage(self, model: str, number: int, stage: str) -> None:
        """Move a version to a stage."""
        asked = {"version": str(number), "stage": stage, "archive_existing_versions": False}
        self.remote.post("model-versions/transition-stage", name=model, **asked)

    def set_alias(self, model: str, alias: str, number: int) -> None:
        """Point an alias at a version."""
        self.remote.post("registered-models/alias", name=model, alias=alias, version=str(number))

    def close(self) -> None:
        """Close the connection."""
        self.remote.close()

    def _named(self, name: str) -> Experiment | None:
        try:
            found = self.remote.get("experiments/get-by-name", experiment_name=name)["experiment"]
        except RefusedError as error:
            if error.code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return Experiment(str(found["experiment_id"]), name, found.get("lifecycle_stage") != "deleted")


def _batches(points: Iterable[Point], size: int) -> Iterator[list[Point]]:
    batch: list[Point] = []
    for point in points:
        batch.append(point)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _metric(point: Point) -> dict[str, Any]:
    value = point.value
    said = value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    plain = {"key": point.key, "value": said, "timestamp": point.timestamp, "step": point.step}
    more = {"model_id": point.model, "dataset_name": point.dataset, "dataset_digest": point.digest}
    return plain | {name: given for name, given in more.items() if given is not None}


def _dataset(data: Dataset) -> dict[str, Any]:
    plain = {"name": data.name, "digest": data.digest, "source_type": data.source_type, "source": data.source}
    return plain | {
        name: text for name, text in (("schema", data.schema), ("profile", data.profile)) if text is not None
    }


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
