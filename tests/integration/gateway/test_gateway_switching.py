from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import httpx
import pytest

SECONDS = 3.0


class Load:
    """Connections that ask without pause, and remember every answer with its times."""

    def __init__(self, url: str, row: Any, connections: int = 6) -> None:
        self.answers: list[tuple[float, float, int, float]] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url, row)) for _ in range(connections)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, url: str, row: Any) -> None:
        with httpx.Client(base_url=url, timeout=10) as client:
            while not self._stop.is_set():
                start = time.monotonic()
                try:
                    got = client.post("/models/flights/predict", json=row)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if got.status_code != 200:
                    self.failures.append(got.text)
                    continue
                body = got.json()
                score = body["predictions"][0]["score"]
                self.answers.append((start, time.monotonic(), body["version"], score))


def test_switching_under_load_fails_no_request_and_answers_from_the_table_alone(
    home: Any, gateway_of: Any, kit: Any
) -> None:
    versions = {number: home.compiled(number, shift=number / 10) for number in (1, 2, 3)}
    tables: list[tuple[float, float, set[int]]] = []

    def switch(revision: int, *numbers: int) -> None:
        published = time.monotonic()
        share = 100.0 / len(numbers)
        home.publish(revision, *(versions[n] for n in numbers), weights=dict.fromkeys(numbers, share))
        kit.until(lambda: home.ack().get("revision") == revision, f"revision {revision}")
        assert not home.ack()["error"]
        tables.append((published, time.monotonic(), set(numbers)))

    home.publish(1, versions[1])
    gateway = gateway_of()
    kit.until(lambda: home.ack().get("revision") == 1, "revision 1")
    tables.append((0.0, 0.0, {1}))
    with Load(gateway.url, kit.row) as load:
        ends = time.monotonic() + SECONDS
        for revision, numbers in zip(
            itertools.count(2), itertools.cycle([(2,), (1, 3), (3,), (2, 3), (1,)]), strict=False
        ):
            switch(revision, *numbers)
            if time.monotonic() > ends:
                break
            time.sleep(0.02)
    assert not load.failures, load.failures[:3]
    assert len(load.answers) > 200
    assert len(tables) > 8
    for start, end, version, score in load.answers:
        newest = max(i for i, (_, acked, _) in enumerate(tables) if acked <= start)
        allowed = set().union(*(names for published, _, names in tables[newest:] if published <= end))
        assert version in allowed
        assert score == pytest.approx(home.scores[version], abs=1e-6)
    counted = {record.request_id for record in home.records()}
    assert len(counted) == len(load.answers)


def test_a_table_that_cannot_be_loaded_is_told_and_changes_nothing(home: Any, gateway_of: Any, kit: Any) -> None:
    home.publish(1, home.compiled(1))
    gateway = gateway_of()
    broken = home.compiled(2)
    (home.path / "model-2.onnx").write_bytes(b"no graph")
    home.publish(2, broken)
    kit.until(lambda: home.ack().get("error"), "the error")
    assert home.ack()["revision"] == 1
    assert "version 2 of 'flights' cannot be loaded" in home.ack()["error"]
    assert gateway.predict().json()["version"] == 1
    home.compiled(2)
    kit.until(lambda: home.ack()["revision"] == 2, "revision 2")
    assert gateway.predict().json()["version"] == 2


def test_a_restarted_gateway_serves_the_table_that_is_there(home: Any, gateway_of: Any, kit: Any) -> None:
    home.publish(7, home.compiled(4))
    first = gateway_of()
    assert first.predict().json()["version"] == 4
    first.process.kill()
    first.process.wait()
    second = gateway_of()
    assert second.client.get("/health").json() == {"ready": True, "revision": 7, "models": ["flights"]}
    assert second.predict().json()["version"] == 4
    assert len(home.records()) == 2
