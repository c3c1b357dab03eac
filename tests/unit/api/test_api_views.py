"""Series and maps for drawing; the live stream."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from treadle.api.live import Live
from treadle.api.v1.views import drift_map, last_measured, quality
from treadle.domain.errors import WorkerUnavailable
from treadle.domain.events import Event, RoutingChanged
from treadle.domain.monitoring import ColumnDrift, DriftReport, Evaluation, Maturity, Measured
from treadle.testing.memory.store import MemoryStore
from treadle.wire.views import DriftMapAnswer, QualityAnswer

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def evaluation(day: int, version: int | None, at: int, **metrics: float) -> Evaluation:
    until = START + day * DAY
    found = {name: Measured(value, value - 1, value + 1) for name, value in metrics.items()}
    return Evaluation("flights", version, START, until, START + at * DAY, Maturity.FINAL, 10, 9, 1, found)


def drift(day: int, version: int, **effects: float) -> DriftReport:
    columns = tuple(ColumnDrift(name, "js", x, x / 2, 0.1, 0.01, x > 0.2) for name, x in effects.items())
    return DriftReport("flights", version, START + day * DAY, START + (day + 7) * DAY, 100, columns)


class Loop:
    def __init__(self) -> None:
        self.doing: list[dict[str, Any]] = []
        self.away = False

    async def call(self, _op: str, **_arguments: Any) -> dict[str, Any]:
        if self.away:
            raise WorkerUnavailable("away")
        return {"doing": self.doing}


@pytest.fixture
def services() -> Any:
    store = MemoryStore()
    known = SimpleNamespace(get=lambda name: name)
    clock = SimpleNamespace(now=lambda: START, set=lambda at: at)
    return SimpleNamespace(
        models=known, measurements=store.measurements, events=store.events, loop=Loop(), clock=clock, store=store
    )


def test_of_a_cohort_measured_twice_the_later_one_counts() -> None:
    early, late, other = evaluation(3, 1, 4), evaluation(3, 1, 5), evaluation(3, 2, 4)
    assert last_measured([late, early, other]) == [late, other]


def test_quality_is_columns_of_one_length_with_gaps(services: Any) -> None:
    services.measurements.put_evaluation(evaluation(2, 1, 3, auc=0.7))
    services.measurements.put_evaluation(evaluation(3, 1, 4, worth=2.0))
    answer = QualityAnswer.model_validate(quality("flights", services, []))
    assert answer.metrics["auc"].value == [0.7, None]
    assert answer.metrics["worth"].low == [None, 1.0]
    assert len(answer.until) == len(answer.version) == len(answer.labelled) == 2


def test_quality_of_some_metrics_alone(services: Any) -> None:
    services.measurements.put_evaluation(evaluation(2, 1, 3, auc=0.7, brier=0.2))
    answer = QualityAnswer.model_validate(quality("flights", services, ["auc", "mae"]))
    assert list(answer.metrics) == ["auc"]


def test_the_drift_map_has_scores_first_then_what_moved_most(services: Any) -> None:
    services.measurements.put_drift(drift(0, 1, temp=0.05, score=0.01, carrier=0.3))
    services.measurements.put_drift(drift(7, 1, temp=0.4))
    answer = DriftMapAnswer.model_validate(drift_map("flights", services, None))
    assert [column.column for column in answer.columns] == ["score", "temp", "carrier"]
    assert [cell is None for cell in answer.columns[2].cells] == [False, True]
    assert answer.columns[1].cells[1] is not None
    assert answer.columns[1].cells[1].alert


def events_of(chunk: bytes) -> tuple[str, Any]:
    lines = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
    return lines["event"], json.loads(lines["data"])


async def hear(live: Live, after: int | None, wanted: int, act: Any = None) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    stream = live.listen(after)
    try:
        async with asyncio.timeout(5):
            async for chunk in stream:
                if chunk.startswith((b"retry", b":")):
                    if act is not None:
                        act()
                    continue
                found.append(events_of(chunk))
                if len(found) == wanted:
                    return found
    finally:
        await stream.aclose()
    return found


def append(services: Any, number: int) -> None:
    services.events.append(Event("flights", START, RoutingChanged(number, 1)))
    services.events.seal()


def test_a_listener_hears_what_it_missed_and_what_comes(services: Any) -> None:
    append(services, 1)
    append(services, 2)
    live = Live(services, every=0.01)
    told = asyncio.run(hear(live, 1, 3, lambda: append(services, 3)))
    positions = [data["position"] for kind, data in told if kind == "event"]
    assert positions == [2, 3]


def test_a_new_listener_hears_nothing_old_but_what_the_loop_does(services: Any) -> None:
    append(services, 1)
    services.loop.doing = [{"model": "flights", "lane": "train", "what": "Train"}]
    live = Live(services, every=0.01)
    told = asyncio.run(hear(live, None, 1))
    assert told[0][0] == "pulse"
    assert told[0][1]["loop"] == "running"
    assert told[0][1]["doing"][0]["what"] == "Train"


def test_a_loop_that_is_away_is_told_of(services: Any) -> None:
    services.loop.away = True
    live = Live(services, every=0.01)
    assert asyncio.run(hear(live, None, 1))[0][1] == {
        "now": "2013-03-01T00:00:00.000000Z",
        "loop": "away",
        "doing": [],
    }
