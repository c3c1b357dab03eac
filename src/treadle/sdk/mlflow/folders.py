"""MLflow's folder of files (``./mlruns``) as a source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from treadle.domain.errors import CorruptData, InvalidInput
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

META, TRASH, MODELS = "meta.yaml", ".trash", "models"
_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MODEL_STATUS = {1: "PENDING", 2: "READY", 3: "UPLOAD_FAILED"}


class FolderSource:
    """A folder that MLflow 2 or 3 wrote. ``proxied`` is where a server kept its clients' artifacts."""

    def __init__(self, root: Path, proxied: Path | None = None) -> None:
        self._root, self._proxied = root, proxied
        if not root.is_dir() or not any(self._experiment_folders()):
            raise InvalidInput(
                f"{root} is no folder of MLflow's", hint="give the one that holds its experiments: mlruns"
            )

    @property
    def url(self) -> str:
        """The folder."""
        return str(self._root)

    def experiments(self) -> Iterator[Experiment]:
        """All of them, deleted ones too."""
        for folder in self._experiment_folders():
            meta = _yaml(folder / META)
            active = folder.parent.name != TRASH and meta.get("lifecycle_stage", "active") == "active"
            yield Experiment(str(meta["experiment_id"]), str(meta["name"]), active, _texts(folder / "tags"))

    def runs(self, experiment: str) -> Iterator[Run]:
        """The runs of one, deleted ones too."""
        folder = self._experiment(experiment)
        found = [path.parent for path in folder.glob(f"*/{META}") if (path.parent / "metrics").is_dir()]
        metas = [(path, _yaml(path / META)) for path in found if path.name != MODELS]
        for path, meta in sorted(metas, key=lambda one: (one[1].get("start_time") or 0, one[0].name)):
            if "run_id" in meta or "run_uuid" in meta:
                yield self._run(path, meta, experiment)

    def points(self, run: Run) -> Iterator[Point]:
        """All points of a run's metrics, those that stand twice once."""
        folder = self._experiment(run.experiment) / run.id / "metrics"
        for key in run.keys:
            for words in dict.fromkeys(tuple(line.split(" ")) for line in _lines(folder / key)):
                yield _point(key, words, folder / key)

    def artifacts(self, run: Run) -> Iterator[Artifact]:
        """A run's files: where its own record says, else beside it (the folder may have been moved)."""
        beside = self._experiment(run.experiment) / run.id / "artifacts"
        return files_below(beside if beside.is_dir() else local_folder(run.artifacts, self._proxied))

    def models(self, experiment: str) -> Iterator[LoggedModel]:
        """The logged models of an experiment."""
        for path in sorted((self._experiment(experiment) / MODELS).glob(f"m-*/{META}")):
            meta, folder = _yaml(path), path.parent
            if meta.get("lifecycle_stage", "active") != "active":
                continue
            yield LoggedModel(
                str(meta["model_id"]),
                experiment,
                str(meta["name"]),
                meta.get("source_run_id"),
                meta.get("model_type") or "",
                _MODEL_STATUS.get(meta.get("status", 2), "READY"),
                str(meta.get("artifact_location", "")),
                _texts(folder / "params"),
                _texts(folder / "tags"),
                tuple(_measured(folder, str(meta["model_id"]))),
            )

    def model_artifacts(self, model: LoggedModel) -> Iterator[Artifact]:
        """A logged model's files."""
        beside = self._experiment(model.experiment) / MODELS / model.id / "artifacts"
        return files_below(beside if beside.is_dir() else local_folder(model.artifacts, self._proxied))

    def registered(self) -> Iterator[RegisteredModel]:
        """All registered models."""
        for path in sorted((self._root / MODELS).glob(f"*/{META}")):
            meta, folder = _yaml(path), path.parent
            versions = sorted(_versions(folder), key=lambda version: version.number)
            aliases = {name: int(number) for name, number in _texts(folder / "aliases").items()}
            description = meta.get("description") or ""
            yield RegisteredModel(str(meta["name"]), description, _texts(folder / "tags"), tuple(versions), aliases)

    def close(self) -> None:
        """Nothing is open between calls."""

    def _run(self, path: Path, meta: dict[str, Any], experiment: str) -> Run:
        tags = _texts(path / "tags")
        status = meta.get("status", 1)
        outputs = [_yaml(found) for found in sorted((path / "outputs").glob(f"*/{META}"))]
        metrics = path / "metrics"
        return Run(
            str(meta.get("run_id") or meta["run_uuid"]),
            experiment,
            meta.get("run_name") or meta.get("name") or tags.get("mlflow.runName", ""),
            str(meta.get("user_id") or ""),
            _STATUS.get(status, "FINISHED") if isinstance(status, int) else str(status),
            meta.get("start_time") or 0,
            meta.get("end_time"),
            meta.get("lifecycle_stage", "active") == "active",
            str(meta.get("artifact_uri") or ""),
            _texts(path / "params"),
            tags,
            tuple(sorted(file.relative_to(metrics).as_posix() for file in metrics.rglob("*") if file.is_file())),
            *self._inputs(path, experiment),
            tuple((str(found["destination_id"]), int(found.get("step") or 0)) for found in outputs),
        )

    def _inputs(self, path: Path, experiment: str) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
        datasets, models = [], []
        for found in sorted((path / "inputs").glob(f"*/{META}")):
            meta = _yaml(found)
            if meta.get("source_type") != "DATASET":
                models.append(str(meta["destination_id"]))
                continue
            data = _yaml(self._experiment(experiment) / "datasets" / str(meta["source_id"]) / META)
            datasets.append(
                Dataset(
                    data["name"],
                    str(data["digest"]),
                    data["source_type"],
                    data["source"],
                    data.get("schema"),
                    data.get("profile"),
                    {key: str(value) for key, value in (meta.get("tags") or {}).items()},
                )
            )
        return tuple(datasets), tuple(models)

    def _experiment_folders(self) -> Iterator[Path]:
        for root in (self._root, self._root / TRASH):
            for path in sorted(root.glob(f"*/{META}"), key=lambda path: path.parent.name.zfill(20)):
                if path.parent.name not in {MODELS, TRASH}:
                    yield path.parent

    def _experiment(self, experiment: str) -> Path:
        beside = self._root / experiment
        return beside if beside.is_dir() else self._root / TRASH / experiment


def _versions(folder: Path) -> Iterator[Version]:
    for path in folder.glob(f"version-*/{META}"):
        meta = _yaml(path)
        if meta.get("current_stage") == "Deleted_Internal":
            continue
        yield Version(
            int(meta["version"]),
            str(meta.get("source") or ""),
            meta.get("run_id") or None,
            meta.get("description") or "",
            meta.get("current_stage") or "None",
            meta.get("creation_timestamp") or 0,
            _texts(path.parent / "tags"),
            meta.get("model_id") or None,
        )


def _measured(folder: Path, model: str) -> Iterator[tuple[str, Point]]:
    metrics = folder / "metrics"
    for file in sorted(found for found in metrics.rglob("*") if found.is_file()):
        key = file.relative_to(metrics).as_posix()
        for line in _lines(file):
            at, value, step, run, *dataset = line.split(" ")
            name, digest = (dataset[0], dataset[1]) if len(dataset) > 1 else (None, None)
            yield run, Point(key, float(value), int(at), int(step), model, name, digest)


def _point(key: str, words: tuple[str, ...], file: Path) -> Point:
    try:
        return Point(key, float(words[1]), int(words[0]), int(words[2]) if len(words) > 2 else 0)
    except (IndexError, ValueError) as error:
        raise CorruptData(f"{file} holds the line {' '.join(words)!r}", hint="mend or remove it") from error


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line]


def _texts(folder: Path) -> dict[str, str]:
    """Values that lie in files called as their keys, which may have slashes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in files}


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except (OSError, yaml.YAMLError) as error:
        raise CorruptData(f"{path} cannot be read: {error}", hint="mend it, or move its folder away") from error
    if not isinstance(found, dict):
        raise CorruptData(f"{path} holds {json.dumps(found, default=str)[:80]}", hint="move its folder away")
    return found
