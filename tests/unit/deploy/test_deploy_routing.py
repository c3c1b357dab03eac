from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from treadle.deploy.routing import LocalFiles, VersionFiles, routing_table, worker_socket
from treadle.domain.deployments import Deployment, Route
from treadle.domain.errors import CorruptData, InvalidInput, NotFound
from treadle.domain.models import CodeTree
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.spec.model_spec import ColumnSpec, ModelSpec

NOW = datetime(2013, 3, 1, tzinfo=UTC)
SPEC = ModelSpec("m", "", "R", (ColumnSpec("x", "float"), ColumnSpec("y", "float")), label="y", task="regression")
RECIPE = Recipe("s", "c" * 64, "d", "e" * 64, {}, 0)
PYTHON = ModelVersion(
    "m", 1, NOW, NOW, "r", "a", RECIPE, RECIPE.digest, {"model.pkl": "p" * 64}, "f" * 64, None,
    Compilation("python"), SPEC.to_json(), "model.py", "/data",
)  # fmt: skip
ONNX = replace(PYTHON, number=2, artifacts={"model.onnx": "o" * 64}, compilation=Compilation("onnx"))


class Store:
    def __init__(self, local: bool = True) -> None:
        self.local = local
        self.fetched = 0

    def path(self, digest: str) -> Path | None:
        return Path("/blobs") / digest if self.local else None

    def fetch(self, digest: str, destination: Path) -> None:
        self.fetched += 1
        destination.write_bytes(b"model")

    def interpreter(self, digest: str) -> str:
        return f"/envs/{digest}/bin/python"

    def checkout(self, tree: CodeTree) -> str:
        return f"/code/{tree.digest}"


def files(store: Store, folder: Path) -> LocalFiles:
    def tree_of(model: str, code_digest: str) -> CodeTree:
        return CodeTree("model.py", {}, code_digest, "/data")

    return LocalFiles(store, store, store, tree_of, run_folder=Path("/run/t"), cache=folder / "cache")


def test_python_versions_name_interpreter_code_model_and_socket(tmp_path):
    found = files(Store(), tmp_path)(PYTHON)
    assert found == VersionFiles(
        model_path="/blobs/" + "p" * 64,
        interpreter="/envs/" + "e" * 64 + "/bin/python",
        code_folder="/code/" + "c" * 64,
        worker_socket="/run/t/ffffffffffff-1.sock",
    )


def test_compiled_versions_need_their_file_alone(tmp_path):
    assert files(Store(), tmp_path)(ONNX) == VersionFiles(onnx_path="/blobs/" + "o" * 64)


def test_blobs_elsewhere_are_fetched_once(tmp_path):
    store = Store(local=False)
    locate = files(store, tmp_path)
    assert Path(locate(ONNX).onnx_path or "").read_bytes() == b"model"
    locate(ONNX)
    assert store.fetched == 1


def test_a_missing_artifact_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"no artifact model\.onnx"):
        files(Store(), tmp_path)(replace(ONNX, artifacts={}))


def test_a_socket_path_too_long_is_refused():
    with pytest.raises(InvalidInput, match="too long"):
        worker_socket(Path("/" + "x" * 100), PYTHON)


def test_table_has_every_routed_version_and_the_champions_schema():
    deployment = Deployment("m", 1, 1, None, NOW, (Route(1, 75.0), Route(2, 25.0)))
    table = routing_table(
        [deployment, Deployment("none", 0, None, None, None)],
        {("m", 1): PYTHON, ("m", 2): ONNX},
        {("m", 1): VersionFiles(code_folder="/code"), ("m", 2): VersionFiles(onnx_path="/o")},
        7,
    )
    assert table.revision == 7
    assert [v.version for v in table.models[0].versions] == [1, 2]
    assert [v.code_entry for v in table.models[0].versions] == ["model.py", None]
    assert table.models[0].columns == {"x": "float"}


def test_weights_that_do_not_sum_to_100_are_refused():
    deployment = Deployment("m", 1, 1, None, NOW, (Route(1, 75.0),))
    with pytest.raises(CorruptData, match="75 %"):
        routing_table([deployment], {("m", 1): PYTHON}, {("m", 1): VersionFiles()}, 1)
