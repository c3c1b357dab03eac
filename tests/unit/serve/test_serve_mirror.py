"""Requests that are scored again by a version on trial."""

from __future__ import annotations

import asyncio
from typing import Any

from treadle.domain.errors import StepFailed
from treadle.serve.dataplane import DataPlane
from treadle.serve.metrics import ServingMetrics
from treadle.serve.mirror import Mirror, Mirrored

PREDICT = "/models/flights/predict"


def shadowed(kit: Any, score: Any = 0.9, **limits: int) -> tuple[DataPlane, Any, dict[int, Any]]:
    writer = kit.writer()
    plane = DataPlane(writer, kit.clock())
    if limits:
        plane.shadows = Mirror(plane.shadows._score, writer, plane.metrics, **limits)
    predictors = {1: kit.predictor(0.25), 2: kit.predictor(score)}
    plane.table = kit.table_of(kit.served(kit.flights(), 1, 2, shadows=[2]), predictors)
    return plane, writer, predictors


async def ask(plane: DataPlane, kit: Any, requests: int = 1, version: int | None = None) -> list[Any]:
    answers = []
    model = plane.table.model("flights")
    columns = {name: [value] for name, value in kit.row.items()}
    for _ in range(requests):
        batch = model.schema.check(columns, 1)
        answer = await plane.answer(model, version, batch, plane.request_id(), 0.0)
        plane.mirror(model, version, batch, answer)
        answers.append(answer)
    return answers


def test_a_mirrored_answer_is_logged_as_a_shadow_of_the_request_and_changes_no_answer(kit: Any) -> None:
    plane, writer, _ = shadowed(kit)

    async def story() -> Any:
        (answer,) = await ask(plane, kit)
        assert [record.shadow for record in writer.records] == [False]
        await plane.shadows.settle(5)
        return answer

    answer = asyncio.run(story())
    assert (answer.version, answer.scores) == (1, [0.25])
    given, mirrored = writer.records
    assert (mirrored.shadow, mirrored.version, mirrored.scores, mirrored.decisions) == (True, 2, [0.9], [True])
    assert (mirrored.request_id, mirrored.at, mirrored.columns) == (given.request_id, given.at, given.columns)
    assert 'treadle_mirrored_requests_total{model="flights",version="2"} 1' in plane.metrics.render(1)
    assert plane.table.model("flights").version(2).in_flight == 0


def test_requests_that_name_their_version_are_not_mirrored(kit: Any) -> None:
    plane, writer, _ = shadowed(kit)

    async def story() -> None:
        await ask(plane, kit, version=1)
        await ask(plane, kit, version=2)
        await plane.shadows.settle(5)

    asyncio.run(story())
    assert [record.shadow for record in writer.records] == [False, False]


def test_answers_do_not_wait_for_a_version_that_hangs_and_what_overflows_is_counted(kit: Any) -> None:
    plane, writer, predictors = shadowed(kit, most_requests=3)

    async def story() -> None:
        predictors[2].gate = asyncio.Event()
        answers = await asyncio.wait_for(ask(plane, kit, requests=10), 5)
        assert len(answers) == 10
        await asyncio.sleep(0.01)
        assert plane.table.model("flights").version(2).in_flight == 3
        await plane.shadows.settle(0.05)

    asyncio.run(story())
    assert len(writer.records) == 10
    told = plane.metrics.render(1)
    assert 'treadle_mirror_dropped_total{model="flights",version="2",reason="full"} 7' in told
    assert 'treadle_mirror_dropped_total{model="flights",version="2",reason="stopped"} 2' in told
    assert plane.table.model("flights").version(2).in_flight == 0


def test_rows_bound_the_queue_too(kit: Any) -> None:
    plane, _, _ = shadowed(kit, most_rows=2)

    async def story() -> list[bool]:
        model = plane.table.model("flights")
        batch = model.schema.check({name: [value] * 2 for name, value in kit.row.items()}, 2)
        offered = [plane.shadows.offer(Mirrored(model, model.shadows[0], batch, f"r{i}", kit.now)) for i in range(2)]
        await plane.shadows.settle(5)
        return offered

    assert asyncio.run(story()) == [True, False]


def test_a_version_that_fails_in_the_mirror_fails_nobody(kit: Any, caplog: Any) -> None:
    for error in (StepFailed("its own code raised"), RuntimeError("boom")):
        plane, writer, _ = shadowed(kit, score=error)

        async def story(plane: DataPlane = plane) -> None:
            await ask(plane, kit, requests=2)
            await plane.shadows.settle(5)

        asyncio.run(story())
        assert [record.shadow for record in writer.records] == [False, False]
        assert 'version="2",reason="failed"} 2' in plane.metrics.render(1)
        assert plane.metrics.unlogged == 0
    assert "boom" in caplog.text


def test_a_full_log_drops_mirrored_answers_and_is_not_counted_as_unlogged(kit: Any) -> None:
    plane, writer, _ = shadowed(kit)

    async def story() -> None:
        await ask(plane, kit)
        writer.full = True
        await plane.shadows.settle(5)

    asyncio.run(story())
    assert 'reason="failed"} 1' in plane.metrics.render(1)
    assert plane.metrics.unlogged == 0


def test_the_application_mirrors_after_it_has_answered(kit: Any) -> None:
    gateway = kit.make_gateway()
    model = kit.served(kit.flights(), 3, 4, shadows=[4])
    gateway.plane.table = kit.table_of(model, {3: kit.predictor(0.25), 4: kit.predictor(0.8)})
    offered: list[Mirrored] = []
    gateway.plane.shadows = Mirror(gateway.plane.shadows._score, gateway.writer, ServingMetrics())
    gateway.plane.shadows.offer = lambda request: bool(offered.append(request)) or True  # type: ignore[method-assign]
    status, _, body = gateway.call("POST", PREDICT, {"rows": [kit.row, kit.row]})
    assert (status, body["version"]) == (200, 3)
    gateway.call("POST", "/models/flights/versions/3/predict", kit.row)
    tensors = {"inputs": [{"name": "distance", "shape": [1, 1], "datatype": "FP64", "data": [-1.0]}]}
    gateway.call("POST", "/v2/models/flights/infer", tensors)
    (request,) = offered
    assert (request.version.number, request.batch.rows) == (4, 2)
    assert body["predictions"][0]["id"] == f"{request.request_id}-0"
