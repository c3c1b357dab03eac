"""A tracking server as a source: MLflow's, or Treadle's own, which speaks the same."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from treadle.domain.errors import InvalidInput, WorkerUnavailable
from treadle.sdk.mlflow.records import (
    Artifact,
    Dataset,
    Experiment,
    LoggedModel,
    Point,
    RegisteredModel,
    Run,
    Unreachable,
    Version,
)
from treadle.sdk.tracking.server import AwayError, RefusedError, StrangerError, TrackingServer, mlflow_credentials

T = TypeVar("T")

PAGE, POINTS_PAGE = 500, 20_000
TRIES, FIRST_PAUSE = 6, 0.5


class Remote:
    """Calls that are tried again where the server is away. Raises WorkerUnavailable in the end, and RefusedError."""

    def __init__(self, url: str) -> None:
        self.server = TrackingServer(url, mlflow_credentials())
        parts = urlsplit(url)
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def get(self, path: str, /, **parameters: Any) -> dict[str, Any]:
        """A GET of the protocol."""
        return self._patiently(lambda: self.server.call("GET", path, parameters))

    def post(self, path: str, /, **body: Any) -> dict[str, Any]:
        """A POST of the protocol."""
        return self._patiently(lambda: self.server.call("POST", path, body))

    def send(self, method: str, path: str, /, **body: Any) -> dict[str, Any]:
        """A PATCH or DELETE of the protocol."""
        return self._patiently(lambda: self.server.call(method, path, body))

    def upload(self, place: str, path: str, file: Path) -> None:
        """Put a file below an artifact root."""
        self._patiently(lambda: self.server.upload(place, path, file))

    def download(self, target: str, parameters: Mapping[str, str], into: Path) -> None:
        """Write what a GET answers to a file."""
        self._patiently(lambda: self.server.download(target, parameters, into))

    def is_treadle(self) -> bool:
        """Whether it is Treadle's server, which keeps the ids of runs. Raises WorkerUnavailable."""
        try:
            return "treadle" in self.get("/api/3.0/mlflow/server-info")
        except (RefusedError, StrangerError):
            return False

    def close(self) -> None:
        """Close the connection."""
        self.server.close()

    def _patiently(self, do: Callable[[], T]) -> T:
        pause = FIRST_PAUSE
        for _ in range(TRIES - 1):
            try:
                return do()
            except StrangerError:
                raise
            except AwayError:
                time.sleep(pause)
                pause *= 2
        try:
            return do()
        except StrangerError:
            raise
        except AwayError as error:
            raise WorkerUnavailable(
                str(error), hint="start it, and run the command again: it goes on where it was"
            ) from error


class RestSource:
    """A server at a URL; credentials as MLflow's clients take them, from the URL or ``MLFLOW_TRACKING_*``."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote

    @property
    def url(self) -> str:
        """The server's, without credentials."""
        return self.remote.url

    def experiments(self) -> Iterator[Experiment]:
        """All of them, deleted ones too."""
        for found in self._pages("experiments/search", "experiments", view_type="ALL", max_results=PAGE):
            active = found.get("lifecycle_stage") != "deleted"
            yield Experiment(found["experiment_id"], found["name"], active, pairs(found.get("tags")))

    def runs(self, experiment: str) -> Iterator[Run]:
        """The runs of one, deleted ones too."""
        asked: dict[str, Any] = {
            "experiment_ids": [experiment],
            "run_view_type": "ALL",
            "order_by": ["attributes.start_time ASC"],
            "max_results": PAGE,
        }
        for found in self._pages("runs/search", "runs", **asked):
            yield run_of(found)

    def run(self, run: str) -> Run | None:
        """One by its id; None where there is none."""
        try:
            return run_of(self.remote.get("runs/get", run_id=run)["run"])
        except RefusedError:
            return None

    def points(self, run: Run) -> Iterator[Point]:
        """All points of a run's metrics."""
        for key in run.keys:
            asked: dict[str, Any] = {"run_id": run.id, "metric_key": key, "max_results": POINTS_PAGE}
            for found in self._pages("metrics/get-history", "metrics", get=True, **asked):
                yield point_of(found)

    def artifacts(self, run: Run) -> Iterator[Artifact]:
        """A run's files, as the server reads them."""
        return self._files(run.id, "")

    def models(self, experiment: str) -> Iterator[LoggedModel]:
        """The logged models of an experiment; none where the server has no such thing."""
        try:
            found = list(self._pages("logged-models/search", "models", experiment_ids=[experiment], max_results=50))
        except RefusedError as error:
            if error.code in {"ENDPOINT_NOT_FOUND", "BAD_REQUEST"}:
                return
            raise
        for model in found:
            info, data = model["info"], model.get("data") or {}
            yield LoggedModel(
                info["model_id"],
                str(info["experiment_id"]),
                info["name"],
                info.get("source_run_id") or None,
                info.get("model_type") or "",
                str(info.get("status", "LOGGED_MODEL_READY")).removeprefix("LOGGED_MODEL_"),
                info.get("artifact_uri", ""),
                pairs(data.get("params")),
                pairs(info.get("tags")),
                tuple((metric.get("run_id") or "", point_of(metric)) for metric in data.get("metrics") or ()),
            )

    def model_artifacts(self, model: LoggedModel) -> Iterator[Artifact]:
        """A logged model's files."""
        base = f"logged-models/{quote(model.id)}/artifacts"
        yield from self._model_files(base, model.id, "")

    def registered(self) -> Iterator[RegisteredModel]:
        """All registered models."""
        for found in self._pages("registered-models/search", "registered_models", get=True, max_results=100):
            name = found["name"]
            told = self.remote.get("registered-models/get", name=name)["registered_model"]
            aliases = {alias["alias"]: int(alias["version"]) for alias in told.get("aliases") or ()}
            yield RegisteredModel(
                name, found.get("description") or "", pairs(found.get("tags")), tuple(self.versions(name)), aliases
            )

    def versions(self, name: str) -> list[Version]:
        """The versions of a registered model, oldest first."""
        condition = "name = '{}'".format(name.replace("'", "\\'"))
        found = self._pages("model-versions/search", "model_versions", get=True, filter=condition, max_results=500)
        versions = [
            Version(
                int(one["version"]),
                one.get("source") or "",
                one.get("run_id") or None,
                one.get("description") or "",
                one.get("current_stage") or "None",
                int(one.get("creation_timestamp") or 0),
                pairs(one.get("tags")),
                one.get("model_id") or None,
            )
            for one in found
            if one["name"] == name
        ]
        return sorted(versions, key=lambda version: version.number)

    def close(self) -> None:
        """Close the connection."""
        self.remote.close()

    def _pages(self, path: str, field: str, /, *, get: bool = False, **asked: Any) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            more = {"page_token": token} if token else {}
            answer = (self.remote.get if get else self.remote.post)(path, **asked, **more)
            yield from answer.get(field) or ()
            token = answer.get("next_page_token") or ""
            if not token:
                return

    def _files(self, run: str, folder: str) -> Iterator[Artifact]:
        try:
            found = list(self._pages("artifacts/list", "files", get=True, run_id=run, path=folder))
        except RefusedError as error:
            raise Unreachable(f"artifacts of run {run}: {error.message}") from error
        for file in found:
            if file.get("is_dir"):
                yield from self._files(run, file["path"])
            else:
                yield Artifact(file["path"], self._opener("/get-artifact", {"path": file["path"], "run_uuid": run}))

    def _model_files(self, base: str, model: str, folder: str) -> Iterator[Artifact]:
        try:
            found = self.remote.get(f"{base}/directories", artifact_directory_path=folder).get("files") or ()
        except RefusedError as error:
            raise Unreachable(f"artifacts of logged model {model}: {error.message}") from error
        for file in found:
            if file.get("is_dir"):
                yield from self._model_files(base, model, file["path"])
            else:
                target = f"/ajax-api/2.0/mlflow/{base}/files"
                yield Artifact(file["path"], self._opener(target, {"artifact_file_path": file["path"]}))

    def _opener(self, target: str, parameters: Mapping[str, str]) -> Callable[[], AbstractContextManager[Path]]:
        @contextmanager
        def opened() -> Iterator[Path]:
            with tempfile.TemporaryDirectory(prefix="treadle-") as folder:
                file = Path(folder) / "artifact"
                self.remote.download(target, parameters, file)
                yield file

        return opened


def run_of(found: Mapping[str, Any]) -> Run:
    """A run as the protocol tells it."""
    info, data = found["info"], found.get("data") or {}
    inputs, outputs = found.get("inputs") or {}, found.get("outputs") or {}
    tags = pairs(data.get("tags"))
    return Run(
        info.get("run_id") or info["run_uuid"],
        str(info["experiment_id"]),
        info.get("run_name") or tags.get("mlflow.runName", ""),
        info.get("user_id") or "",
        info.get("status", "RUNNING"),
        int(info.get("start_time") or 0),
        int(info["end_time"]) if info.get("end_time") else None,
        info.get("lifecycle_stage") != "deleted",
        info.get("artifact_uri") or "",
        pairs(data.get("params")),
        tags,
        tuple(sorted(metric["key"] for metric in data.get("metrics") or ())),
        tuple(_dataset(one) for one in inputs.get("dataset_inputs") or ()),
        tuple(one["model_id"] for one in inputs.get("model_inputs") or ()),
        tuple((one["model_id"], int(one.get("step") or 0)) for one in outputs.get("model_outputs") or ()),
    )


def _dataset(found: Mapping[str, Any]) -> Dataset:
    data = found["dataset"]
    return Dataset(
        data["name"],
        data["digest"],
        data.get("source_type") or "",
        data.get("source") or "",
        data.get("schema"),
        data.get("profile"),
        pairs(found.get("tags")),
    )


def point_of(found: Mapping[str, Any]) -> Point:
    """A metric as the protocol tells it."""
    return Point(
        found["key"],
        float(found["value"]),
        int(found.get("timestamp") or 0),
        int(found.get("step") or 0),
        found.get("model_id") or None,
        found.get("dataset_name") or None,
        found.get("dataset_digest") or None,
    )


def pairs(found: Any) -> dict[str, str]:
    """A list of keys and values as a mapping."""
    return {one["key"]: one.get("value", "") for one in found or ()}


def checked_url(url: str) -> str:
    """A server's address. Raises InvalidInput."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput(f"{url!r} is no address of a server", hint="give one such as http://127.0.0.1:5000")
    return url.rstrip("/")
