"""Shadow and canary on a real gateway process."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import numpy as np
import pytest

SLOW = """
    import time
    from datetime import datetime
    import polars as pl
    from treadle import Col, Model, Row, Window

    class Flight(Row):
        departs: Col[datetime]
        origin: Col[str]
        distance: Col[float]
        late: Col[bool]

    flights = Model("flights", Flight, label=Flight.late, time=Flight.departs)

    @flights.source
    def departures(window: Window) -> pl.LazyFrame: ...

    @flights.train
    def fit(rows: pl.DataFrame) -> dict[str, float]: ...

    @flights.predict
    def chance(model: dict[str, float], rows: pl.DataFrame) -> list[float]:
        time.sleep(0.4)
        return [model["score"]] * rows.height
"""


def mirrored(gateway: Any) -> int:
    told = httpx.get(gateway.url + "/metrics").text.splitlines()
    return sum(int(line.split()[-1]) for line in told if line.startswith("treadle_mirrored_requests_total{"))


def test_a_mirrored_version_answers_nobody_and_is_logged_beside_what_was_answered(
    home: Any, gateway_of: Any, kit: Any
) -> None:
    champion, challenger = home.compiled(1), home.compiled(2, shift=1.0)
    home.publish(1, champion, challenger, weights={1: 100.0}, shadows=[2])
    gateway = gateway_of()
    rows = [{**kit.row, "distance": float(d)} for d in range(0, 1000, 100)]
    answers = [gateway.predict(rows).json() for _ in range(20)]
    tensors = {
        "inputs": [
            {"name": name, "shape": [1, 1], "datatype": "FP64" if name == "distance" else "BYTES", "data": [value]}
            for name, value in kit.row.items()
        ]
    }
    assert gateway.client.post("/v2/models/flights/infer", json=tensors).status_code == 200
    assert gateway.client.post("/models/flights/versions/1/predict", json=kit.row).status_code == 200
    kit.until(lambda: mirrored(gateway) == 21, "the mirror")
    assert {answer["version"] for answer in answers} == {1}
    records = home.records()
    given = {r.request_id: r for r in records if not r.shadow}
    shadows = {r.request_id: r for r in records if r.shadow}
    assert len(given) == 22
    assert len(shadows) == 21
    for name, shadow in shadows.items():
        assert (shadow.version, given[name].version) == (2, 1)
        assert (shadow.at, shadow.rows, shadow.columns) == (given[name].at, given[name].rows, given[name].columns)
        assert (np.array(shadow.scores) > np.array(given[name].scores)).all()
    for answer in answers:
        ids = [one["id"] for one in answer["predictions"]]
        request = ids[0].rsplit("-", 1)[0]
        assert ids == [f"{request}-{i}" for i in range(10)]
        assert request in shadows
        assert [one["score"] for one in answer["predictions"]] == pytest.approx(list(given[request].scores), abs=1e-6)


def test_answers_do_not_wait_for_a_slow_version_on_trial_nor_for_a_dead_one(
    home: Any, gateway_of: Any, kit: Any
) -> None:
    slow = home.pickled(2, SLOW, {"score": 0.9})
    worker = home.worker(slow)
    home.publish(1, home.compiled(1), slow, weights={1: 100.0}, shadows=[2])
    gateway = gateway_of()
    order, took = [], []
    for distance in range(60):
        began = time.monotonic()
        answer = gateway.predict({**kit.row, "distance": float(distance)})
        took.append(time.monotonic() - began)
        assert answer.json()["version"] == 1
        order.append(answer.json()["predictions"][0]["id"])
    assert np.median(took) < 0.1
    assert sum(took) < 0.4 * len(took) / 4
    given = [record for record in home.records() if not record.shadow]
    assert [f"{record.request_id}-0" for record in given] == order
    kit.until(lambda: mirrored(gateway) > 1, "the mirror")
    worker.kill()
    worker.wait()
    assert [gateway.predict().status_code for _ in range(20)] == [200] * 20
    kit.until(lambda: 'version="2",reason="failed"' in httpx.get(gateway.url + "/metrics").text, "a failure, counted")
    gateway.process.terminate()
    assert gateway.process.wait(15) == 0
    shadows = [record for record in home.records() if record.shadow]
    assert {record.scores[0] for record in shadows} == {0.9}
    assert [record.request_id for record in shadows] == [record.request_id for record in given][: len(shadows)]


def test_canaries_begin_and_end_under_load_without_a_failed_request(home: Any, gateway_of: Any, kit: Any) -> None:
    champion, challenger = home.compiled(1), home.compiled(2, shift=1.0)
    tables: list[tuple[dict[int, float], list[int]]] = [
        ({1: 100.0}, [2]), ({1: 95.0, 2: 5.0}, []), ({1: 75.0, 2: 25.0}, []), ({2: 100.0}, []), ({1: 100.0}, []),
    ]  # fmt: skip
    home.publish(1, champion, challenger, weights={1: 100.0})
    gateway = gateway_of()
    failures: list[str] = []
    answers: list[tuple[float, int]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=10) as client:
            while not stop.is_set():
                got = client.post("/models/flights/predict", json=kit.row)
                if got.status_code != 200:
                    failures.append(got.text)
                else:
                    answers.append((time.monotonic(), got.json()["version"]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    shares = []
    revision = 1
    try:
        for _ in range(2):
            for weights, shadows in tables:
                revision += 1
                used = [v for v in (champion, challenger) if v.version in {*weights, *shadows}]
                home.publish(revision, *used, weights=weights, shadows=shadows)
                kit.until(lambda wanted=revision: home.ack().get("revision") == wanted, f"revision {revision}")
                began = time.monotonic() + 0.1  # requests that were under way at the switch are answered by then
                kit.until(
                    lambda since=began: sum(at > since for at, _ in answers.copy()) > 60, "answers after the switch"
                )
                seen = [version for at, version in answers.copy() if at > began]
                shares.append((weights.get(2, 0.0) / 100, sum(v == 2 for v in seen), len(seen)))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[:3]
    for share, hits, all_of_them in shares:
        assert all_of_them > 60
        assert abs(hits - share * all_of_them) <= 4 * np.sqrt(all_of_them * share * (1 - share)) + 1e-9
    kit.until(lambda: sum(r.shadow for r in home.records()) == mirrored(gateway) > 0, "the mirror")
    records = home.records()
    assert len({r.request_id for r in records if not r.shadow}) == len(answers)
    assert {r.request_id for r in records if r.shadow} <= {r.request_id for r in records if not r.shadow}
