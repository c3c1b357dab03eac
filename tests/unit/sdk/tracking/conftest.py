from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("recording_server", _HERE / "recording_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recording_server"] = module
    spec.loader.exec_module(module)
    return module


RECORDING = _load()


@pytest.fixture
def server() -> Iterator[Any]:
    made = RECORDING.RecordingServer()
    yield made
    made.stop()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture(autouse=True)
def surroundings(server: Any, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TREADLE_", "MLFLOW_", "SLURM_", "OMPI_", "PMIX_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TREADLE_URL", server.url)
    monkeypatch.setenv("TREADLE_SPOOL", str(spool))
    monkeypatch.setenv("TREADLE_CAPTURE", "0")


Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a program in a process of its own."""

    def run(text: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "program.py"
        path.write_text(text)
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables}
        return subprocess.run(
            [sys.executable, str(path)], env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run
