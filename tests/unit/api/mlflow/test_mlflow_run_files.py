"""Blobs of Treadle's own trainings show among the files of their runs."""

from dataclasses import replace

import pytest
from mlflow_world import World, services

from treadle.api.mlflow.run_files import RunFiles, TrainingRuns
from treadle.domain.errors import InvalidInput, NotFound
from treadle.testing import memory, samples
from treadle.testing.contracts.artifacts import put

ROOT = "7/run-1/artifacts"


@pytest.fixture
def files():
    """A training with two blobs, and a file that a client wrote beside them."""
    store, blobs = memory.MemoryStore(), memory.MemoryBlobs()
    kept = {"model.onnx": blobs.put(b"a model"), "logs/fit.txt": blobs.put(b"a log")}
    run = samples.a_run("run-1")
    store.runs.create(run)
    store.runs.finish(samples.finished(run, artifacts=kept))
    found = RunFiles(memory.MemoryArtifacts(), blobs, TrainingRuns(store.runs))
    put(found.store, f"{ROOT}/logs/mine.txt", b"mine")
    return found


def test_both_are_listed(files):
    assert [(file.name, file.folder, file.size) for file in files.list(ROOT)] == [
        ("logs", True, 0),
        ("model.onnx", False, 7),
    ]
    assert [file.path for file in files.list(f"{ROOT}/logs")] == [f"{ROOT}/logs/fit.txt", f"{ROOT}/logs/mine.txt"]
    assert files.list("7/other/artifacts") == ()
    assert [file.name for file in files.list("7")] == ["run-1"]


def test_both_are_read(files):
    for path, data in (("logs/fit.txt", b"a log"), ("logs/mine.txt", b"mine"), ("model.onnx", b"a model")):
        reading = files.open(f"{ROOT}/{path}")
        assert (reading.read(100), reading.file.size) == (data, len(data))
        reading.seek(2)
        assert reading.read(100) == data[2:]
        reading.close()
    with pytest.raises(NotFound):
        files.open(f"{ROOT}/logs/nothing")


def test_what_a_training_keeps_is_not_removed(files):
    with pytest.raises(InvalidInput):
        files.delete(f"{ROOT}/model.onnx")
    files.delete(f"{ROOT}/logs/mine.txt")
    assert [file.name for file in files.list(f"{ROOT}/logs")] == ["fit.txt"]


def test_they_go_over_the_wire(files):
    world = World(services=replace(services(), run_files=files))
    listed = world.ask("GET", "/api/2.0/mlflow-artifacts/artifacts", query=f"path={ROOT}".encode()).told
    assert listed == {
        "files": [{"path": "logs", "is_dir": True}, {"path": "model.onnx", "is_dir": False, "file_size": 7}]
    }
    got = world.ask("GET", f"/api/2.0/mlflow-artifacts/artifacts/{ROOT}/model.onnx")
    assert (got.status, got.body) == (200, b"a model")
