from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

import treadle
from treadle.cli.main import app


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("TREADLE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("TREADLE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr("treadle.sdk.tracking.courier.AWAY_PATIENCE", 0.05)


def test_nothing_waits() -> None:
    result = CliRunner().invoke(app, ["sync"])
    assert (result.exit_code, result.stdout) == (0, "nothing waits\n")


def test_what_waits_for_a_server_that_is_away_stays() -> None:
    with treadle.run(capture=False) as run:
        run.log(loss=1.0)
    result = CliRunner().invoke(app, ["sync"])
    assert result.exit_code == 1
    assert f"run {run.name} ({run.id}) stays in " in result.stdout
    (told,) = json.loads(CliRunner().invoke(app, ["sync", "--json"]).stdout)
    assert (told["run"], told["sent"]) == (run.id, False)
    assert "does not answer" in told["trouble"]


def test_a_source_that_is_none_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["import", "mlflow", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "is no folder of MLflow's" in result.stderr
