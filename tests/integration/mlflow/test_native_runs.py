"""Treadle's own client against a real server: away, killed, and back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from control_server import control_server

import treadle
from treadle.sdk.tracking.replay import replay

API = "/api/2.0/mlflow/"


@pytest.fixture(autouse=True)
def surroundings(control: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TREADLE_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TREADLE_URL", control.url)
    monkeypatch.setenv("TREADLE_SPOOL", str(tmp_path / "spool"))


def run_of(control: Any, run: str) -> dict[str, Any]:
    found: dict[str, Any] = control.ask("GET", f"{API}runs/get?run_id={run}").json["run"]
    return found


def losses(control: Any, run: str) -> list[tuple[int, float]]:
    points: list[tuple[int, float]] = []
    token = ""
    while True:
        target = f"{API}metrics/get-history?run_id={run}&metric_key=loss&max_results=5000&page_token={token}"
        answer = control.ask("GET", target).json
        points += [(point["step"], point["value"]) for point in answer.get("metrics", ())]
        token = answer.get("next_page_token") or ""
        if not token:
            return points


def test_a_run_with_all_that_it_keeps(control: Any) -> None:
    with treadle.run("native/first", params={"rate": 0.1}, tags={"why": "trial"}) as run:
        print("said by the program")
        for i in range(10_000):
            run.log(loss=float(i))
        run.table([{"a": 1}], "rows")
        with treadle.run("native/first") as inner:
            inner.log(loss=0.5)
    found = run_of(control, run.id)
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["run_name"] == run.name
    assert {param["key"]: param["value"] for param in found["data"]["params"]} == {"rate": "0.1"}
    tags = {tag["key"]: tag["value"] for tag in found["data"]["tags"]}
    assert {"why", "treadle.host", "mlflow.source.git.commit"} <= tags.keys()
    assert losses(control, run.id) == [(i, float(i)) for i in range(10_000)]
    nested = {tag["key"]: tag["value"] for tag in run_of(control, inner.id)["data"]["tags"]}
    assert nested["mlflow.parentRunId"] == run.id
    listed = control.ask("GET", f"{API}artifacts/list?run_id={run.id}").json["files"]
    assert {file["path"] for file in listed} >= {"rows.json", "output.log", "environment"}


PROGRAM = """
import os, signal, sys, treadle
run = treadle.run("native/killed", capture=False)
for i in range(10_000):
    run.log(loss=float(i), step=i)
run.flush(30)
print(run.id, flush=True)
sys.stdin.readline()
for i in range(10_000, 20_000):
    run.log(loss=float(i), step=i)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_server_and_client_are_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with control_server(home) as first:
        client = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "TREADLE_URL": first.url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with client:
            assert client.stdout is not None
            assert client.stdin is not None
            run = client.stdout.readline().strip()
            first.process.kill()
            first.process.wait()
            client.stdin.write("on\n")
            client.stdin.flush()
            assert client.wait(60) == -signal.SIGKILL
    with control_server(home) as again:
        assert losses(again, run)
        assert all(found.sent for found in replay(tmp_path / "spool", server=again.url))
        assert losses(again, run) == [(i, float(i)) for i in range(20_000)]
        assert run_of(again, run)["info"]["status"] == "FAILED"
