"""What a step logs by itself lands in the run that the step belongs to."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from treadle.domain.steps import StepKind
from treadle.runner.tracking import logging_to

WINDOW = {"start": None, "until": "2024-03-01T00:00:00+00:00", "as_of": "2024-03-01T00:00:00+00:00"}
LOGS = """
    import os, treadle
    treadle.run().log(rows=float(window.until.day))
    print("SEES", os.environ.get("MLFLOW_RUN_ID"), os.environ.get("MLFLOW_TRACKING_URI"))
    return pl.DataFrame({"visit_id": ["a"], "at": [window.as_of], "age": [1.0], "kind": ["x"], "came": [True]})"""
_spec = importlib.util.spec_from_file_location(
    "control_server", Path(__file__).parent.parent / "mlflow" / "control_server.py"
)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("control_server", _module)
_spec.loader.exec_module(_module)
Models = Callable[..., Path]


def test_a_step_logs_to_its_run(bench: Any, model: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    applied = bench.apply(model(source=LOGS))
    with _module.control_server(tmp_path / "control") as control:
        bench.engine._tracking = lambda: control.url
        made = control.post("/api/2.0/mlflow/runs/create", experiment_id="0", run_id="run-visits-0001").json["run"][
            "info"
        ]
        bench.run(applied, StepKind.SOURCE, arguments=WINDOW, cacheable=False, run=made["run_id"])
        found = control.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={made['run_id']}").json["run"]
    assert f"SEES {made['run_id']} {control.url}" in bench.lines
    assert [(metric["key"], metric["value"]) for metric in found["data"]["metrics"]] == [("rows", 1.0)]
    assert found["info"]["status"] == "RUNNING"


def test_the_run_is_no_part_of_a_steps_key(bench: Any, model: Models) -> None:
    request = bench.request(bench.apply(model()), StepKind.FIT)
    assert replace(request, run="one").key == replace(request, run="two").key == request.key


def test_variables_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "outer")
    monkeypatch.delenv("TREADLE_RUN_ID", raising=False)
    with logging_to({"MLFLOW_RUN_ID": "inner", "TREADLE_RUN_ID": "inner"}):
        assert (os.environ["MLFLOW_RUN_ID"], os.environ["TREADLE_RUN_ID"]) == ("inner", "inner")
    assert os.environ["MLFLOW_RUN_ID"] == "outer"
    assert "TREADLE_RUN_ID" not in os.environ
