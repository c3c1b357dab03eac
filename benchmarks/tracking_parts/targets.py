"""The servers that are compared, each on a fresh home: Treadle, the sketch, and MLflow in its own environment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MLFLOW = "3.17.2"
ENVIRONMENTS = HERE.parents[1] / ".benchmarks"


@dataclass
class Target:
    """A running server. ``ready`` is how long it took until it answered, in seconds."""

    name: str
    port: int
    home: Path
    process: subprocess.Popen[bytes]
    ready: float = 0.0

    def memory(self) -> float:
        """Proportional memory of all its processes, in MB."""
        return sum(_pss(pid) for pid in _family(self.process.pid)) / 1024


def mlflow_python() -> Path:
    """The interpreter of MLflow's own environment, made where it is not there yet."""
    environment = ENVIRONMENTS / f"mlflow-{MLFLOW}"
    python = environment / "bin" / "python"
    if not (environment / "made").exists():
        uv = [str(Path(sys.executable).with_name("uv"))]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), f"mlflow=={MLFLOW}"], check=True)
        (environment / "made").touch()
    return python


@contextmanager
def started(name: str, home: Path | None = None) -> Iterator[Target]:
    """A server on a home of its own, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as made:
        folder = home or Path(made)
        target = start(name, folder)
        try:
            yield target
        finally:
            stop(target)


def start(name: str, home: Path) -> Target:
    """Start a server and wait until it answers."""
    port = _free_ports(3)
    command = {
        "treadle": [
            str(Path(sys.executable).with_name("treadle")),
            "up",
            "--home",
            str(home / "home"),
            "--port",
            str(port),
        ],
        "sketch": [sys.executable, str(HERE / "sketch.py"), str(home / "sketch.db"), str(port)],
        "mlflow": [],
    }[name]
    if name == "mlflow":
        command = [
            str(mlflow_python()),
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "2",
            "--backend-store-uri",
            f"sqlite:///{home / 'mlflow.db'}",
            "--artifacts-destination",
            str(home / "artifacts"),
        ]
    began = time.perf_counter()
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=_environment())
    target = Target(name, port, home, process)
    while not _answers(f"http://127.0.0.1:{port}/health"):
        if process.poll() is not None or time.perf_counter() - began > 180:
            raise SystemExit(f"{name} did not start:\n{(home / 'server.log').read_text()[-2000:]}")
        time.sleep(0.02)
    target.ready = time.perf_counter() - began
    return target


def stop(target: Target, number: int = signal.SIGTERM) -> None:
    """End a server with all its processes."""
    target.process.send_signal(number)
    with suppress(subprocess.TimeoutExpired):
        target.process.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(target.process.pid, signal.SIGKILL)
    target.process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def _free_ports(count: int) -> int:
    """The first of some ports in a row that are free."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _family(int(child))
    return found


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
