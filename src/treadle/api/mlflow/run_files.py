"""Artifacts as clients see them: what the store holds, and beside it the blobs of Treadle's own runs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from treadle.domain.artifacts import ArtifactFile, below, file_path, safe_path, served_path
from treadle.domain.errors import InvalidInput, NotFound
from treadle.domain.registered_errors import no_version
from treadle.ports.artifacts import Artifacts, Reading
from treadle.ports.blobs import Blobs
from treadle.ports.logged_models import LoggedModels
from treadle.ports.registered import RegisteredVersions
from treadle.ports.runs import Runs
from treadle.ports.tracking import RunStore

_DEPTH = 3


@dataclass(frozen=True)
class Location:
    """Where the artifacts of a run or a model lie: the address that clients use."""

    uri: str

    def path(self, below_it: str = "") -> str:
        """A path of the store. Raises InvalidInput for a location that this server does not serve."""
        root = served_path(self.uri)
        if root is None:
            raise InvalidInput(
                f"the artifacts lie at {self.uri}, which this server does not serve",
                hint="read them there; experiments of the default location keep artifacts here",
            )
        return below(root, below_it)


class Locations(Protocol):
    """Who keeps artifacts where. All raise NotFound."""

    def run(self, run_id: str) -> Location:
        """Of a run."""
        ...

    def logged_model(self, model_id: str) -> Location:
        """Of a logged model."""
        ...

    def version(self, name: str, version: str) -> Location:
        """Of a version of a registered model."""
        ...


class RunBlobs(Protocol):
    """The artifacts that Treadle's own steps kept as blobs."""

    def files(self, run_id: str) -> Mapping[str, str]:
        """Digests by path; none for a run without."""
        ...


@dataclass(frozen=True)
class RunFiles:
    """Reads paths of the form ``<experiment>/<run>/artifacts/...`` from both; writes go to the store alone."""

    store: Artifacts
    blobs: Blobs
    run_blobs: RunBlobs

    def list(self, folder: str) -> Sequence[ArtifactFile]:
        """What lies right in a folder, by name."""
        folder = safe_path(folder)
        found = {file.path: file for file in self._kept(folder)}
        found.update((file.path, file) for file in self.store.list(folder))
        return tuple(found[path] for path in sorted(found))

    def open(self, path: str) -> Reading:
        """Read a file. Raises NotFound, and InvalidInput for a folder."""
        path = file_path(path)
        try:
            return self.store.open(path)
        except NotFound:
            digest = self._digest(path)
            if digest is None:
                raise
        return self._blob(path, digest)

    def delete(self, path: str) -> None:
        """Remove from the store. Raises InvalidInput for what a training of Treadle's keeps."""
        path = file_path(path)
        if self._digest(path) is not None:
            raise InvalidInput(
                f"{path!r} belongs to a training of Treadle's", hint="it is freed with its run: treadle gc"
            )
        self.store.delete(path)

    def _kept(self, folder: str) -> Sequence[ArtifactFile]:
        root, digests = self._of_run(folder)
        start = folder + "/"
        found: dict[str, ArtifactFile] = {}
        for path, digest in digests.items():
            whole = f"{root}/{path}"
            if whole.startswith(start):
                name, _, deeper = whole.removeprefix(start).partition("/")
                found[name] = (
                    ArtifactFile(start + name, folder=True)
                    if deeper
                    else ArtifactFile(start + name, folder=False, size=self._size(digest))
                )
        return tuple(found.values())

    def _digest(self, path: str) -> str | None:
        root, digests = self._of_run(path)
        return digests.get(path.removeprefix(root + "/"))

    def _of_run(self, path: str) -> tuple[str, Mapping[str, str]]:
        parts = path.split("/")
        if len(parts) < _DEPTH or parts[2] != "artifacts":
            return "", {}
        return "/".join(parts[:_DEPTH]), self.run_blobs.files(parts[1])

    def _size(self, digest: str) -> int:
        path = self.blobs.path(digest)
        return path.stat().st_size if path is not None else len(self.blobs.get(digest))

    def _blob(self, path: str, digest: str) -> BlobReading:
        local = self.blobs.path(digest)
        if local is None:
            data = self.blobs.get(digest)
            return BlobReading(ArtifactFile(path, folder=False, size=len(data)), io.BytesIO(data))
        return BlobReading(ArtifactFile(path, folder=False, size=local.stat().st_size), local.open("rb", buffering=0))


class BlobReading:
    """``ports.Reading`` of a blob."""

    def __init__(self, file: ArtifactFile, opened: BinaryIO) -> None:
        self.file = file
        self._opened = opened

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        return self._opened.read(size)

    def seek(self, offset: int) -> None:
        """Go on at this byte."""
        self._opened.seek(offset)

    def close(self) -> None:
        """Let go of it."""
        self._opened.close()


@dataclass(frozen=True)
class TrainingRuns:
    """Treadle's own runs as the keepers of blobs."""

    runs: Runs

    def files(self, run_id: str) -> Mapping[str, str]:
        """Digests by path; none for a run without."""
        try:
            return self.runs.get(run_id).artifacts
        except NotFound:
            return {}

    def run(self, run_id: str) -> Location:
        """Where a run's artifacts lie. Raises NotFound."""
        run = self.runs.get(run_id)
        return Location(f"mlflow-artifacts:/{run.model}/{run.id}/artifacts")

    def logged_model(self, model_id: str) -> Location:
        """Raises NotFound: there are none here."""
        raise NotFound(f"Logged model with ID {model_id!r} not found.", hint="search for it")

    def version(self, name: str, version: str) -> Location:
        """Raises NotFound: there are none here."""
        raise NotFound(f"Model Version (name={name}, version={version}) not found", hint="search for it")


@dataclass(frozen=True)
class TrackedLocations:
    """Where tracking and the registry say that artifacts lie."""

    tracking: RunStore
    logged_models: LoggedModels
    registered: RegisteredVersions

    def run(self, run_id: str) -> Location:
        """Of a run. Raises NotFound."""
        return Location(self.tracking.run_info(run_id).artifact_uri)

    def logged_model(self, model_id: str) -> Location:
        """Of a logged model. Raises NotFound."""
        return Location(self.logged_models.get_logged_model(model_id).artifact_location)

    def version(self, name: str, version: str) -> Location:
        """Of a version of a registered model; of one that Treadle trained, its run's. Raises NotFound."""
        if not (version.isdecimal() and len(version) < 10):
            raise no_version(name, version)
        found = self.registered.get_version(name, int(version))
        return self.run(found.run) if found.owned and found.run else Location(found.location)
