from __future__ import annotations

import contextlib
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import polars as pl
import pytest

from treadle.app.clocks import VirtualClock
from treadle.storage.predictions.log import ParquetPredictionLog
from treadle.storage.sql.store import SqlStore

FORBIDDEN = (
    "fastapi",
    "starlette",
    "sqlalchemy",
    "alembic",
    "polars",
    "pandas",
    "sklearn",
    "scipy",
    "optuna",
    "pydantic",
)


def test_the_process_answers_and_logs(home: Any, gateway_of: Any, kit: Any) -> None:
    VirtualClock(home.path / "clock").set(datetime(2013, 4, 1, 12, tzinfo=UTC))
    home.publish(1, home.compiled(1))
    gateway = gateway_of()
    body = gateway.predict().json()
    (prediction,) = body["predictions"]
    assert prediction["score"] == pytest.approx(home.scores[1], abs=1e-6)
    assert prediction["decision"] == (home.scores[1] >= 0.5)
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64" if name == "distance" else "BYTES", "data": [value]}
        for name, value in kit.row.items()
    ]
    answer = gateway.client.post("/v2/models/flights/infer", json={"inputs": tensors}).json()
    assert answer["outputs"][0]["data"] == [prediction["score"]]
    first, second = home.records()
    assert prediction["id"] == f"{first.request_id}-0"
    assert answer["parameters"]["prediction_ids"] == [f"{second.request_id}-0"]
    assert first.columns == {name: [value] for name, value in kit.row.items()}
    assert first.at == second.at == datetime(2013, 4, 1, 12, tzinfo=UTC)
    many = gateway.predict({"rows": [kit.row] * 1000}).json()["predictions"]
    assert [p["score"] for p in many] == pytest.approx([prediction["score"]] * 1000, abs=1e-6)
    assert len(home.records()[-1].scores) == 1000


def test_what_a_client_does_wrong_is_never_a_server_error(home: Any, gateway_of: Any, kit: Any) -> None:
    home.publish(1, home.compiled(1))
    gateway = gateway_of()
    bad = gateway.predict({**kit.row, "origin": "LAX"})
    assert bad.status_code == 400
    assert bad.json()["error"].startswith("row 0, column 'origin': must be one of")
    for method, path, content, status in (
        ("GET", "/nowhere", b"", 404),
        ("DELETE", "/models/flights/predict", b"", 405),
        ("POST", "/models/flights/predict", b"\x00\xff{", 400),
        ("POST", "/models/flights/predict", b"x" * (17 * 2**20), 413),
        ("POST", "/models/%2e%2e/predict", b"{}", 404),
        ("POST", "/v2/models/flights/infer", b"[]", 400),
    ):
        got = httpx.request(method, gateway.url + path, content=content, timeout=10)
        assert (got.status_code, got.headers["content-type"]) == (status, "application/json")
        assert got.json()["error"]
    assert gateway.predict().status_code == 200


def test_a_stopped_gateway_finishes_what_it_is_answering(home: Any, gateway_of: Any, kit: Any) -> None:
    home.publish(1, home.compiled(1))
    gateway = gateway_of()
    statuses: list[int] = []
    clients = [httpx.Client(base_url=gateway.url, timeout=20) for _ in range(4)]
    rows = {"rows": [kit.row] * 20_000}

    def ask(client: httpx.Client) -> None:
        try:
            statuses.append(client.post("/models/flights/predict", json=rows).status_code)
        except httpx.TransportError:
            late.append("came after the door was closed")

    late: list[str] = []
    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    kit.until(home.records, "the first answer")
    gateway.process.terminate()
    for thread in threads:
        thread.join()
    assert gateway.process.wait(20) == 0, home.log()
    assert set(statuses) == {200}
    assert len(statuses) + len(late) == len(clients)
    assert sum(record.rows for record in home.records()) >= 20_000 * len(statuses)
    assert not list((home.path / "gateways").iterdir())
    for client in clients:
        client.close()


def test_a_killed_gateway_has_logged_all_that_it_answered(home: Any, gateway_of: Any, kit: Any) -> None:
    home.publish(1, home.compiled(1))
    gateway = gateway_of()
    answered: list[str] = []

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=5) as client:
            try:
                while True:
                    body = client.post("/models/flights/predict", json={"rows": [kit.row] * 3}).json()
                    answered.extend(p["id"] for p in body["predictions"])
            except httpx.HTTPError:
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    kit.until(lambda: len(answered) >= 600, "answers")
    gateway.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    logged = {f"{record.request_id}-{i}" for record in home.records() for i in range(record.rows)}
    assert len(answered) >= 600
    assert set(answered) <= logged


def test_a_gateway_that_is_killed_while_it_starts_comes_up_with_all_that_was_answered(
    home: Any, gateway_of: Any, kit: Any
) -> None:
    """Killed again and again, at any moment of its start and of its first answers, with clients that go on asking."""
    home.publish(1, home.compiled(1))
    gateway = gateway_of()
    answered: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            with contextlib.suppress(httpx.HTTPError), httpx.Client(base_url=gateway.url, timeout=5) as client:
                while not done.is_set():
                    answer = client.post("/models/flights/predict", json={"rows": [kit.row] * 3})
                    assert answer.status_code in (200, 503), answer.text
                    if answer.status_code == 200:
                        answered.extend(p["id"] for p in answer.json()["predictions"])
                        enough.set()
            done.wait(0.02)

    enough = threading.Event()
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    port = gateway.url.rpartition(":")[2]
    process, lives = gateway.process, 5
    assert enough.wait(20)
    for number in range(lives):
        process.kill()
        process.wait()
        enough.clear()
        began = time.monotonic()
        process = home.start("-m", "treadle.app.gateway", "--home", str(home.path), "--port", port, "--id", "gw-1")
        if number == 0:
            assert enough.wait(20)
            start = time.monotonic() - began
        elif number < lives - 1:
            time.sleep(random.uniform(0, 1.2 * start))
    assert enough.wait(20)
    done.set()
    for thread in threads:
        thread.join()
    store = SqlStore(f"sqlite:///{home.path / 'treadle.db'}")
    try:
        log = ParquetPredictionLog(home.path, store, specs=lambda _: None)
        log.record()
        logged = pl.concat([pl.read_parquet(part.path) for part in log.parts("flights")])["prediction_id"]
    finally:
        store.close()
    assert logged.n_unique() == len(logged)
    assert set(answered) <= set(logged)
    assert len(answered) > 100


def test_on_a_full_disk_nothing_is_answered_that_is_not_logged(home: Any, gateway_of: Any, kit: Any) -> None:
    home.publish(1, home.compiled(1))
    gateway = gateway_of()
    answered = [gateway.predict().json()["predictions"][0]["id"]]
    (segment,) = (home.path / "wal" / "gw-1").glob("*.wal")
    full, unlimited = segment.stat().st_size + 10, resource.RLIM_INFINITY
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (full, unlimited))
    for _ in range(3):
        refused = gateway.predict()
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert "prediction log cannot be written" in refused.json()["error"]
        assert "disk space" in refused.json()["hint"]
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    answered += [gateway.predict().json()["predictions"][0]["id"] for _ in range(2)]
    assert [f"{record.request_id}-0" for record in home.records()] == answered


def test_a_gateway_imports_nothing_of_the_control_plane() -> None:
    code = f"import sys, treadle.app.gateway; print([m for m in {FORBIDDEN!r} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert told.strip() == "[]"


def test_a_port_in_use_is_told(home: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = home.start("-m", "treadle.app.gateway", "--home", str(home.path), "--port", port, "--id", "gw-1")
        assert process.wait(20) == 2
    assert f"port {port}" in home.log()
    assert "Traceback" not in home.log()
