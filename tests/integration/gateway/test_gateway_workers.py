from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import polars as pl
import pytest

from treadle.runner.protocol import Channel

MODEL = """
    from datetime import datetime
    import polars as pl
    import {library}
    from treadle import Col, Model, Row, Window, col

    class Flight(Row):
        departs: Col[datetime] = col(zone="America/New_York")
        origin: Col[str] = col(one_of=["EWR", "JFK", "LGA"])
        distance: Col[float | None]
        stops: Col[int | None]
        late: Col[bool]

    flights = Model("flights", Flight, label=Flight.late, time=Flight.departs)

    @flights.source
    def departures(window: Window) -> pl.LazyFrame: ...

    @flights.train
    def fit(rows: {frame}) -> dict[str, float]: ...

    @flights.features
    def hours(rows: {frame}) -> {frame}:
        {body}

    @flights.predict
    def chance(model: dict[str, float], rows: {frame}) -> list[float]:
        {predict}
"""
POLARS = {
    "library": "sys",
    "frame": "pl.DataFrame",
    "body": """assert rows.schema == {"departs": pl.Datetime("us", "UTC"), "origin": pl.String, "distance": pl.Float64,
                               "stops": pl.Int64}, rows.schema
        return rows.with_columns(hour=pl.col("departs").dt.convert_time_zone("America/New_York").dt.hour())""",
    "predict": """if (rows["distance"] == 666).any():
            raise ZeroDivisionError("the devil's distance")
        if (rows["distance"] == 667).any():
            raise SystemExit(3)
        if (rows["distance"] == 668).any():
            return [0.5] * (rows.height + 1)
        return (rows["hour"] / 100 + rows["distance"].fill_null(0) * model["factor"]).to_list()""",
}
PANDAS = {
    "library": "pandas",
    "frame": "pandas.DataFrame",
    "body": """assert [str(t) for t in rows.dtypes][2] == "float64", rows.dtypes
        return rows.assign(hour=rows["departs"].dt.tz_convert("America/New_York").dt.hour)""",
    "predict": """return (rows["hour"] / 100 + rows["distance"].fillna(0) * model["factor"]).tolist()""",
}
ROW = {"departs": "2013-03-01T09:30:00", "origin": "JFK", "distance": None, "stops": None}


@pytest.fixture
def spec(tmp_path: Any) -> Any:
    """The declaration of the polars model, as its own environment describes it."""
    from treadle.runner.loading import CodeLoader

    (tmp_path / "described").mkdir()
    (tmp_path / "described" / "model_file.py").write_text(_code(POLARS))
    loader = CodeLoader()
    found = loader.load("x", tmp_path / "described", "model_file.py").spec
    loader._deactivate()
    return found


def _code(parts: dict[str, str]) -> str:
    import textwrap

    text = MODEL
    for name, value in parts.items():
        text = text.replace("{" + name + "}", value)
    return textwrap.dedent(text)


@pytest.mark.parametrize("parts", [POLARS, PANDAS], ids=["polars", "pandas"])
def test_a_worker_answers_through_the_models_own_functions(
    home: Any, gateway_of: Any, spec: Any, parts: dict[str, str]
) -> None:
    version = home.pickled(1, _code(parts), {"factor": 0.001})
    home.worker(version)
    home.publish(1, version, spec=spec)
    gateway = gateway_of()
    body = gateway.predict({"rows": [ROW, {**ROW, "distance": 100, "departs": "2013-03-01T14:30:00Z"}]}).json()
    assert [p["score"] for p in body["predictions"]] == pytest.approx([0.09, 0.19])
    (record,) = home.records()
    assert record.columns["departs"] == ["2013-03-01T09:30:00", "2013-03-01T14:30:00Z"]
    assert "refused the row" not in home.log()


def test_errors_of_the_models_code_are_answers(home: Any, gateway_of: Any, spec: Any) -> None:
    version = home.pickled(1, _code(POLARS), {"factor": 0.001})
    worker = home.worker(version)
    home.publish(1, version, spec=spec)
    gateway = gateway_of()
    for distance, said in ((666, "ZeroDivisionError"), (667, "SystemExit"), (668, "returned 2 scores for 1 rows")):
        got = gateway.predict({**ROW, "distance": distance})
        assert (got.status_code, said in got.json()["error"]) == (500, True), got.text
    assert gateway.predict({**ROW, "departs": "soon"}).status_code == 400
    assert gateway.predict(ROW).status_code == 200
    assert worker.poll() is None
    assert "model_file.py" in home.log()


def test_a_killed_worker_is_unavailable_until_it_is_back(home: Any, gateway_of: Any, spec: Any, kit: Any) -> None:
    version = home.pickled(1, _code(POLARS), {"factor": 0.001})
    worker = home.worker(version)
    home.publish(1, version, spec=spec)
    gateway = gateway_of()
    assert gateway.predict(ROW).status_code == 200
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    got = gateway.predict(ROW)
    assert (got.status_code, got.headers["retry-after"]) == (503, "1")
    home.worker(version)
    kit.until(lambda: gateway.predict(ROW).status_code == 200, "the worker")


def test_many_connections_share_a_worker(home: Any, gateway_of: Any, spec: Any) -> None:
    import httpx

    version = home.pickled(1, _code(POLARS), {"factor": 0.001})
    home.worker(version)
    home.publish(1, version, spec=spec)
    gateway = gateway_of()
    wrong: list[Any] = []

    def ask(base: int) -> None:
        with httpx.Client(base_url=gateway.url, timeout=10) as client:
            for i in range(20):
                got = client.post("/models/flights/predict", json={**ROW, "distance": base + i})
                if got.json()["predictions"][0]["score"] != pytest.approx(0.09 + (base + i) / 1000):
                    wrong.append(got.text)

    threads = [threading.Thread(target=ask, args=(100 * n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_python_runtime_answers_as_the_compiled_one(home: Any, gateway_of: Any, kit: Any) -> None:
    code = """
        from datetime import datetime
        import polars as pl
        from sklearn.pipeline import Pipeline
        from treadle import Col, Model, Row, Window, col

        class Flight(Row):
            departs: Col[datetime]
            origin: Col[str] = col(one_of=["EWR", "JFK", "LGA"])
            distance: Col[float] = col(ge=0)
            late: Col[bool]

        flights = Model("flights", Flight, label=Flight.late, time=Flight.departs)

        @flights.source
        def departures(window: Window) -> pl.LazyFrame: ...

        @flights.train
        def fit(rows: pl.DataFrame) -> Pipeline: ...
    """
    python = home.pickled(2, code, kit.fit_pipeline(0.3))
    home.worker(python)
    home.publish(1, home.compiled(1, 0.3), python)
    gateway = gateway_of()
    random = np.random.default_rng(5)
    rows = [
        {**kit.row, "origin": str(random.choice(["EWR", "LGA"])), "distance": float(d)}
        for d in random.uniform(0, 2e3, 50)
    ]
    scores = {}
    for number in (1, 2):
        got = gateway.client.post(f"/models/flights/versions/{number}/predict", json=rows)
        assert (got.status_code, got.headers.get("treadle-version")) == (200, str(number)), got.text
        scores[number] = [p["score"] for p in got.json()["predictions"]]
    assert scores[1] == pytest.approx(scores[2], abs=1e-5)
    expected = kit.fit_pipeline(0.3).predict_proba(pl.DataFrame(rows).select("origin", "distance"))[:, 1]
    assert scores[2] == pytest.approx(expected.tolist(), abs=1e-12)


def test_a_stopped_worker_goes_on_answering_on_open_connections(home: Any, spec: Any, kit: Any) -> None:
    version = home.pickled(1, _code(POLARS), {"factor": 0.001})
    worker = home.worker(version)
    kit.until(lambda: os.path.exists(str(version.worker_socket)), "the socket")  # noqa: PTH110
    channel = Channel.connect(str(version.worker_socket))
    channel.settimeout(10)
    channel.send({"op": "ping", "id": 1})
    assert channel.receive().header == {"id": 1, "model": "flights"}
    worker.terminate()
    kit.until(lambda: not os.path.exists(str(version.worker_socket)), "the end of listening")  # noqa: PTH110
    channel.send({"op": "ping", "id": 2})
    assert channel.receive().header["id"] == 2
    channel.send({"op": "dance", "id": 3})
    assert "does not know how to 'dance'" in channel.receive().header["error"]["message"]
    channel.close()
    assert worker.wait(10) == 0


def test_a_worker_ends_with_its_parent(home: Any, spec: Any, kit: Any) -> None:
    version = home.pickled(1, _code(POLARS), {"factor": 0.001})
    command = [
        sys.executable, "-m", "treadle.runner", "worker", "--socket", str(version.worker_socket), "--code-folder",
        str(version.code_folder), "--entry", str(version.code_entry), "--model", str(version.model_path),
    ]  # fmt: skip
    parent = (
        "import subprocess, sys, time, os\n"
        "p = subprocess.Popen(sys.argv[1:])\n"
        f"while not os.path.exists({version.worker_socket!r}): time.sleep(0.01)\n"
        "print(p.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    told = subprocess.run([sys.executable, "-c", parent, *command], capture_output=True, text=True, check=False)
    assert told.returncode == -9
    pid = int(told.stdout)

    def gone() -> bool:
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    kit.until(gone, "the worker's end")
