"""From deployments to the routing table that gateways serve. Pure, but for where files lie on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from treadle.domain.deployments import Deployment, RoutingTable, ServedModel, ServedVersion
from treadle.domain.errors import CorruptData, InvalidInput, NotFound
from treadle.domain.models import CodeTree
from treadle.domain.versions import ModelVersion
from treadle.spec.model_spec import ModelSpec

ONNX, PICKLE = "model.onnx", "model.pkl"
SOCKET_LIMIT = 100
"""The longest path of a Unix socket, in bytes, that all systems take (Linux allows 107, macOS 103)."""

VersionKey = tuple[str, int]


@dataclass(frozen=True)
class VersionFiles:
    """Where one version's files lie on this machine; absolute paths, those of its runtime alone."""

    onnx_path: str | None = None
    model_path: str | None = None
    interpreter: str | None = None
    code_folder: str | None = None
    worker_socket: str | None = None


class Locate(Protocol):
    """Finds, or puts in place, the files that a version is served from."""

    def __call__(self, version: ModelVersion) -> VersionFiles:
        """The files. Raises NotFound where one is gone, EnvironmentFailed where it cannot be built."""
        ...


class BlobFiles(Protocol):
    """The part of the blob store that locating needs."""

    def path(self, digest: str) -> Path | None:
        """A local file with the bytes, where there is one."""
        ...

    def fetch(self, digest: str, destination: Path) -> None:
        """Write the bytes to a new file."""
        ...


class Interpreters(Protocol):
    """The part of the environments that locating needs."""

    def interpreter(self, digest: str) -> str:
        """The interpreter of a built environment."""
        ...


class Checkouts(Protocol):
    """The part of the code trees that locating needs."""

    def checkout(self, tree: CodeTree) -> str:
        """The folder of a code tree."""
        ...


class TreeOf(Protocol):
    """Gives the code tree of a digest, which an applied model or a version brought along."""

    def __call__(self, model: str, code_digest: str) -> CodeTree:
        """The tree. Raises NotFound."""
        ...


class LocalFiles:
    """Locates versions on this machine.

    ``run_folder`` holds the workers' sockets (short paths, please) and ``cache`` copies of blobs that the store
    keeps elsewhere.
    """

    def __init__(
        self,
        blobs: BlobFiles,
        environments: Interpreters,
        code_trees: Checkouts,
        tree_of: TreeOf,
        *,
        run_folder: Path,
        cache: Path,
    ) -> None:
        self._blobs = blobs
        self._environments = environments
        self._code_trees = code_trees
        self._tree_of = tree_of
        self._run_folder = run_folder
        self._cache = cache

    def __call__(self, version: ModelVersion) -> VersionFiles:
        """The files of ``version``. Raises NotFound, EnvironmentFailed, and InvalidInput for a socket path too long."""
        if version.compilation.runtime == "onnx":
            return VersionFiles(onnx_path=str(self._artifact(version, ONNX)))
        tree = self._tree_of(version.model, version.recipe.code_digest)
        return VersionFiles(
            model_path=str(self._artifact(version, PICKLE)),
            interpreter=self._environments.interpreter(version.recipe.environment_digest),
            code_folder=self._code_trees.checkout(tree),
            worker_socket=worker_socket(self._run_folder, version),
        )

    def _artifact(self, version: ModelVersion, name: str) -> Path:
        digest = version.artifacts.get(name)
        if digest is None:
            raise NotFound(
                f"version {version.number} of {version.model!r} has no artifact {name}",
                hint="it is served by the " + version.compilation.runtime + " runtime, which needs one; train it again",
            )
        path = self._blobs.path(digest)
        if path is None:
            path = self._cache / digest
            if not path.exists():
                self._cache.mkdir(parents=True, exist_ok=True)
                self._blobs.fetch(digest, path)
        return path.absolute()


def worker_socket(run_folder: Path, version: ModelVersion) -> str:
    """The path of the socket on which a version's worker listens; versions with equal artifacts share none.

    Raises InvalidInput where the path is too long for a Unix socket.
    """
    path = str(run_folder.absolute() / f"{version.artifact_digest[:12]}-{version.number}.sock")
    if len(path.encode()) > SOCKET_LIMIT:
        raise InvalidInput(
            f"the path of a worker's socket is too long for the system ({len(path.encode())} bytes): {path}",
            hint=f"choose a home with a shorter path (TREADLE_HOME); {SOCKET_LIMIT} bytes are the limit",
        )
    return path


def routing_table(
    deployments: Sequence[Deployment],
    versions: Mapping[VersionKey, ModelVersion],
    files: Mapping[VersionKey, VersionFiles],
    revision: int,
) -> RoutingTable:
    """What gateways serve, from the desired state: one line for each model that has a champion, by name.

    ``versions`` and ``files`` must hold every routed version. Columns and specification are the champion's.
    Raises CorruptData where the weights of a deployment do not sum to 100.
    """
    models = []
    for deployment in sorted(deployments, key=lambda d: d.model):
        if deployment.champion is None or not deployment.routes:
            continue
        total = sum(route.weight for route in deployment.routes if not route.shadow)
        if abs(total - 100.0) > 1e-6:
            raise CorruptData(
                f"the routes of {deployment.model!r} carry {total:g} % of its requests instead of 100 %",
                hint=f"promote a version anew: treadle promote {deployment.model} {deployment.champion}",
            )
        models.append(_served_model(deployment, versions, files))
    return RoutingTable(revision, tuple(models))


def routed(deployments: Sequence[Deployment]) -> list[VersionKey]:
    """Every version that takes part in answering, and every champion, whose schema requests are held to."""
    keys = {(d.model, route.version) for d in deployments for route in d.routes}
    keys |= {(d.model, d.champion) for d in deployments if d.champion is not None}
    return sorted(keys)


def _served_model(
    deployment: Deployment, versions: Mapping[VersionKey, ModelVersion], files: Mapping[VersionKey, VersionFiles]
) -> ServedModel:
    champion = versions[deployment.model, deployment.champion or 0]
    spec = ModelSpec.from_json(champion.spec_json)
    numbers = sorted({route.version for route in deployment.routes})
    return ServedModel(
        model=deployment.model,
        task=spec.task,
        key=spec.key,
        time=spec.time,
        zone=spec.column(spec.time).zone if spec.time is not None else None,
        columns={column.name: column.type for column in spec.features_in},
        nullable=tuple(column.name for column in spec.features_in if column.nullable),
        spec_json=champion.spec_json,
        routes=deployment.routes,
        versions=tuple(
            _served_version(versions[deployment.model, number], files[deployment.model, number]) for number in numbers
        ),
    )


def _served_version(version: ModelVersion, files: VersionFiles) -> ServedVersion:
    return ServedVersion(
        version=version.number,
        runtime=version.compilation.runtime,
        artifact_digest=version.artifact_digest,
        threshold=version.threshold,
        onnx_path=files.onnx_path,
        worker_socket=files.worker_socket,
        interpreter=files.interpreter,
        code_folder=files.code_folder,
        code_entry=version.code_entry if files.code_folder is not None else None,
        model_path=files.model_path,
        classes=version.classes,
    )
