from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from treadle.domain import codec
from treadle.domain.deployments import Route, RoutingTable, ServedModel, ServedVersion
from treadle.domain.predictions import PredictionRecord
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.storage.predictions.wal import read_segment

PATIENCE = 30.0
SPEC = ModelSpec(
    name="flights",
    doc="",
    row="Flight",
    columns=(
        ColumnSpec("departs", "datetime"),
        ColumnSpec("origin", "str", one_of=("EWR", "JFK", "LGA")),
        ColumnSpec("distance", "float", ge=0),
        ColumnSpec("late", "bool"),
    ),
    label="late",
    task="binary",
    time="departs",
)
ROW = {"departs": "2013-03-01T09:30:00Z", "origin": "JFK", "distance": 700.0}


def fit_pipeline(shift: float = 0.0) -> Any:
    """A pipeline whose scores tell which ``shift`` it has."""
    random = np.random.default_rng(0)
    rows = pl.DataFrame(
        {"origin": random.choice(["EWR", "JFK", "LGA"], 300).tolist(), "distance": random.uniform(0, 2000, 300)}
    )
    labels = (rows["distance"] > 900).to_numpy() ^ (random.random(300) < 0.2)
    columns = ColumnTransformer([("text", OneHotEncoder(), ["origin"]), ("number", StandardScaler(), ["distance"])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(rows, labels)
    pipeline[-1].intercept_ += shift
    return pipeline


@dataclass
class Home:
    """A server's home folder with models that the tests publish, and the processes that serve them."""

    path: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)

    def compiled(self, number: int, shift: float = 0.0) -> ServedVersion:
        """A version that is served in the gateway; its score of ``ROW`` is in ``scores``."""
        pipeline = fit_pipeline(shift)
        inputs = [("origin", StringTensorType([None, 1])), ("distance", FloatTensorType([None, 1]))]
        graph = convert_sklearn(pipeline, initial_types=inputs, options={"zipmap": False})
        path = self.path / f"model-{number}.onnx"
        path.write_bytes(graph.SerializeToString())
        row = pl.DataFrame({"origin": [ROW["origin"]], "distance": [ROW["distance"]]})
        self.scores[number] = float(pipeline.predict_proba(row)[0, 1])
        return ServedVersion(number, "onnx", f"digest-{number}", 0.5, onnx_path=str(path))

    def pickled(self, number: int, code: str, fitted: Any) -> ServedVersion:
        """A version that is served by a worker; :meth:`worker` starts it."""
        folder = self.path / f"code-{number}"
        folder.mkdir()
        (folder / "model_file.py").write_text(textwrap.dedent(code))
        model = self.path / f"model-{number}.pkl"
        model.write_bytes(pickle.dumps(fitted))
        return ServedVersion(
            number,
            "python",
            f"digest-{number}",
            0.5,
            worker_socket=str(self.path / f"{number}.sock"),
            interpreter=sys.executable,
            code_folder=str(folder),
            code_entry="model_file.py",
            model_path=str(model),
        )

    def publish(
        self, revision: int, *versions: ServedVersion, weights: dict[int, float] | None = None, **change: Any
    ) -> None:
        """Replace the routing table by one with the model ``flights``; traffic goes to the first version."""
        shares = weights or {versions[0].version: 100.0}
        model = ServedModel(
            model=change.get("spec", SPEC).name,
            task="binary",
            key=None,
            time="departs",
            zone=None,
            columns={c.name: c.type for c in change.get("spec", SPEC).features_in},
            nullable=(),
            spec_json=change.get("spec", SPEC).to_json(),
            routes=(
                *(Route(number, weight) for number, weight in shares.items()),
                *(Route(number, 0.0, shadow=True) for number in change.get("shadows", ())),
            ),
            versions=versions,
        )
        fresh = self.path / "routing.new"
        fresh.write_text(codec.dumps(RoutingTable(revision, (model,))))
        fresh.replace(self.path / "routing.json")

    def ack(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.path / "gateways" / "gw-1.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.path / "processes.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log, env={**os.environ})
        self.processes.append(process)
        return process

    def worker(self, version: ServedVersion) -> subprocess.Popen[bytes]:
        return self.start(
            "-P", "-m", "treadle.runner", "worker", "--socket", str(version.worker_socket), "--code-folder",
            str(version.code_folder), "--entry", str(version.code_entry), "--model", str(version.model_path),
        )  # fmt: skip

    def log(self) -> str:
        return (self.path / "processes.log").read_text()

    def records(self) -> list[PredictionRecord]:
        found: list[PredictionRecord] = []
        for segment in sorted((self.path / "wal" / "gw-1").iterdir()):
            found += read_segment(segment)[0]
        return found


@dataclass
class Gateway:
    """A gateway process that answers."""

    process: subprocess.Popen[bytes]
    url: str
    client: httpx.Client

    def predict(self, row: Any = ROW) -> httpx.Response:
        return self.client.post("/models/flights/predict", json=row)


def until(holds: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def gateway_of(home: Home) -> Iterator[Callable[[], Gateway]]:
    clients: list[httpx.Client] = []

    def start() -> Gateway:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = home.start("-m", "treadle.app.gateway", "--home", str(home.path), "--port", str(port), "--id", "gw-1")
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url + "/health") or process.poll() is not None, "the gateway")
        assert process.poll() is None, home.log()
        if (home.path / "routing.json").exists():
            until(lambda: home.ack().get("error") == "", "the first table")
        clients.append(httpx.Client(base_url=url, timeout=10))
        return Gateway(process, url, clients[-1])

    yield start
    for client in clients:
        client.close()


class Kit:
    """What the tests of this folder build from."""

    row = ROW
    until = staticmethod(until)
    fit_pipeline = staticmethod(fit_pipeline)


@pytest.fixture
def kit() -> Kit:
    return Kit()
