"""What the client's command line does."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient


def told(*words: str) -> str:
    """What a command prints."""
    done = subprocess.run([sys.executable, "-m", "mlflow", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def check_experiments():
    told("experiments", "create", "--experiment-name", "by/command")
    number = mlflow.get_experiment_by_name("by/command").experiment_id
    assert "by/command" in told("experiments", "search")
    told("experiments", "rename", "--experiment-id", number, "--new-name", "by/another")
    told("experiments", "delete", "--experiment-id", number)
    assert "by/another" in told("experiments", "search", "--view", "deleted_only")
    told("experiments", "restore", "--experiment-id", number)
    with mlflow.start_run(experiment_id=number):
        mlflow.log_metric("loss", 0.5)
        mlflow.log_param("lr", 1)
    (row,) = csv.DictReader(io.StringIO(told("experiments", "csv", "--experiment-id", number)))
    assert (row["metrics.loss"], row["params.lr"]) == ("0.5", "1")


def check_runs():
    with mlflow.start_run(run_name="told") as active:
        mlflow.log_metric("loss", 0.5)
    run, number = active.info.run_id, active.info.experiment_id
    assert run in told("runs", "list", "--experiment-id", number)
    assert run in told("runs", "describe", "--run-id", run)
    told("runs", "delete", "--run-id", run)
    assert MlflowClient().get_run(run).info.lifecycle_stage == "deleted"
    told("runs", "restore", "--run-id", run)
    assert MlflowClient().get_run(run).info.lifecycle_stage == "active"


def check_artifacts():
    with mlflow.start_run() as active:
        pass
    run = active.info.run_id
    Path("sent").mkdir(exist_ok=True)
    Path("sent/a.txt").write_text("hello")
    told("artifacts", "log-artifact", "--local-file", "sent/a.txt", "--run-id", run, "--artifact-path", "one")
    told("artifacts", "log-artifacts", "--local-dir", "sent", "--run-id", run, "--artifact-path", "two")
    assert "two" in told("artifacts", "list", "--run-id", run)
    told("artifacts", "download", "--run-id", run, "--artifact-path", "two", "--dst-path", str(Path.cwd() / "got"))
    assert Path("got/two/a.txt").read_text() == "hello"
