"""The serving worker as a process: it does not outlive who started it, however early that one ends."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from treadle.runner.worker import SocketServer

NOBODY: Any = None


def test_a_worker_whose_starter_was_gone_before_it_looked_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_PARENT", "999999999")
    server = SocketServer(tmp_path / "w.sock", NOBODY)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    running.join(10)
    assert not running.is_alive()
    assert not (tmp_path / "w.sock").exists()


@pytest.mark.parametrize("parent", [None, str(os.getppid())])
def test_a_worker_whose_starter_lives_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: str | None
) -> None:
    monkeypatch.delenv("TREADLE_PARENT", raising=False)
    if parent is not None:
        monkeypatch.setenv("TREADLE_PARENT", parent)
    server = SocketServer(tmp_path / "w.sock", NOBODY)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    running.join(0.7)
    assert running.is_alive()
    server.stop()
    running.join(10)
    assert not running.is_alive()
