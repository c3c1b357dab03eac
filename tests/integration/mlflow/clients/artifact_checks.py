"""Files of runs: logged in every way, listed, read, removed, sent in parts."""

import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from requests import HTTPError

MIB = 1024 * 1024


def folder():
    """Files whose names need care."""
    found = Path(tempfile.mkdtemp())
    (found / "sub").mkdir()
    (found / "a.txt").write_text("a")
    (found / "empty").write_text("")
    (found / "50% ä+b&c=d.txt").write_text("x")
    (found / "sub" / "data file.bin").write_bytes(os.urandom(3 * MIB))
    return found


def a_run(files=None):
    """A run with files, and the repository of its artifacts."""
    with mlflow.start_run() as active:
        mlflow.log_artifacts(str(files or folder()), "folder")
    return active.info, get_artifact_repository(active.info.artifact_uri)


def names(entries):
    return sorted((entry.path, entry.is_dir, entry.file_size) for entry in entries)


def check_everything_that_can_be_logged():
    one = folder() / "a.txt"
    with mlflow.start_run() as active:
        mlflow.log_artifact(str(one))
        mlflow.log_artifact(str(one), "deep/er")
        mlflow.log_dict({"a": 1}, "conf/x.json")
        mlflow.log_text("hello", "notes.txt")
        mlflow.log_figure(plt.figure(), "plots/f.png")
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "image.png")
        mlflow.log_table({"a": [1, 2]}, "table.json")
        mlflow.log_table({"a": [3]}, "table.json")
    uri = active.info.artifact_uri
    assert mlflow.artifacts.load_text(f"{uri}/notes.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"{uri}/conf/x.json") == {"a": 1}
    assert mlflow.artifacts.load_image(f"{uri}/image.png").size == (4, 4)
    table = pd.read_json(mlflow.artifacts.download_artifacts(artifact_uri=f"{uri}/table.json"), orient="split")
    assert table["a"].tolist() == [1, 2, 3]
    listed = [entry.path for entry in MlflowClient().list_artifacts(active.info.run_id)]
    assert listed == ["a.txt", "conf", "deep", "image.png", "notes.txt", "plots", "table.json"]


def check_folders_come_back_as_they_were():
    files = folder()
    info, repository = a_run(files)
    assert names(repository.list_artifacts("folder")) == [
        ("folder/50% ä+b&c=d.txt", False, 1),
        ("folder/a.txt", False, 1),
        ("folder/empty", False, 0),
        ("folder/sub", True, None),
    ]
    assert repository.list_artifacts("folder/a.txt") == []
    assert repository.list_artifacts("nothing") == []
    got = mlflow.artifacts.download_artifacts(artifact_uri=f"{info.artifact_uri}/folder")
    compared = filecmp.dircmp(got, files)
    assert [*compared.left_only, *compared.right_only, *compared.diff_files, *compared.funny_files] == []
    assert filecmp.cmp(f"{got}/sub/data file.bin", files / "sub" / "data file.bin", shallow=False)


def check_files_by_the_name_of_the_run():
    files = folder()
    info, _ = a_run(files)
    client = MlflowClient()
    assert len(client.list_artifacts(info.run_id, "folder")) == 4
    assert mlflow.artifacts.load_text(f"runs:/{info.run_id}/folder/a.txt") == "a"
    got = mlflow.artifacts.download_artifacts(run_id=info.run_id, artifact_path="folder/sub")
    assert filecmp.cmp(f"{got}/data file.bin", files / "sub" / "data file.bin", shallow=False)
    whole = Path(mlflow.artifacts.download_artifacts(run_id=info.run_id))
    assert len([path for path in whole.rglob("*") if path.is_file()]) == 4


def check_files_are_removed():
    _, repository = a_run()
    repository.delete_artifacts("folder/sub")
    assert [entry.path for entry in repository.list_artifacts("folder") if entry.is_dir] == []
    repository.delete_artifacts("folder")
    assert repository.list_artifacts() == []


def check_paths_that_climb_are_refused():
    _, repository = a_run()
    for path in ("../x", "folder/../../x", "/etc/passwd", "%2e%2e/x"):
        for method in (repository.list_artifacts, repository.download_artifacts):
            error = refused(method, path)
            assert "50" not in str(getattr(getattr(error, "response", None), "status_code", ""))


def refused(method, *given):
    """The error of a call that fails."""
    try:
        method(*given)
    except (MlflowException, HTTPError) as error:
        return error
    raise AssertionError(f"{method.__name__} took {given}")


def check_large_files_in_parts():
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(5 * MIB)
    os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * MIB)
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE"] = str(4 * MIB)
    try:
        large = Path(tempfile.mkdtemp()) / "large.bin"
        large.write_bytes(os.urandom(17 * MIB + 3))
        with mlflow.start_run() as active:
            mlflow.log_artifact(str(large), "models")
        got = mlflow.artifacts.download_artifacts(artifact_uri=f"{active.info.artifact_uri}/models/large.bin")
        assert filecmp.cmp(got, large, shallow=False)
    finally:
        for name in list(os.environ):
            if "_PROXY_MULTIPART_" in name or name.startswith("MLFLOW_MULTIPART_"):
                del os.environ[name]


def check_the_command_line():
    info, _ = a_run()
    base = [sys.executable, "-m", "mlflow", "artifacts"]
    note = Path(tempfile.mkdtemp()) / "note.txt"
    note.write_text("by hand")
    subprocess.run(
        [*base, "log-artifact", "--local-file", str(note), "--run-id", info.run_id], check=True, capture_output=True
    )
    got = subprocess.run(
        [*base, "download", "--artifact-uri", f"{info.artifact_uri}/note.txt", "--dst-path", tempfile.mkdtemp()],
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(got.stdout.splitlines()[-1].strip()).read_text() == "by hand"
