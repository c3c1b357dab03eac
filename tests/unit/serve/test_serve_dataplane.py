from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from treadle.domain.errors import InvalidInput, LogUnavailable, NotFound, StepFailed
from treadle.serve.dataplane import DataPlane, decide


def plane_of(kit: Any, *versions: int, task: str = "binary", score: Any = 0.25, **routes: Any) -> tuple[DataPlane, Any]:
    writer = kit.writer()
    plane = DataPlane(writer, kit.clock())
    model = kit.served(kit.flights(task), *versions, **routes)
    plane.table = kit.table_of(model, {v: kit.predictor(score) for v in versions})
    return plane, writer


def ask(plane: DataPlane, kit: Any, version: int | None = None, request_id: str | None = None) -> Any:
    columns = {name: [value] for name, value in kit.row.items()}
    return asyncio.run(plane.predict("flights", version, columns, 1, request_id))


def test_an_answer_is_logged_with_all_it_came_from(kit: Any) -> None:
    plane, writer = plane_of(kit, 3)
    answer = ask(plane, kit)
    (record,) = writer.records
    assert (answer.version, answer.scores, answer.decisions) == (3, [0.25], [False])
    assert (record.request_id, record.model, record.version) == (answer.request_id, "flights", 3)
    assert (record.at, record.rows, record.threshold, record.shadow) == (kit.now, 1, 0.3, False)
    assert record.columns["departs"] == ["2013-03-01T09:30:00Z"]
    assert record.columns["pressure"] == (None,)
    assert record.latency_ms >= 0


def test_nothing_is_answered_that_is_not_in_the_log(kit: Any) -> None:
    plane, writer = plane_of(kit, 3)
    writer.full = True
    with pytest.raises(LogUnavailable, match="No space left"):
        ask(plane, kit)
    assert plane.metrics.unlogged == 1


def test_a_deployment_may_answer_unlogged(kit: Any) -> None:
    plane, writer = plane_of(kit, 3)
    lenient = DataPlane(writer, kit.clock(), answer_unlogged=True)
    lenient.table = plane.table
    writer.full = True
    assert ask(lenient, kit).scores == [0.25]
    assert lenient.metrics.unlogged == 1


def test_weights_share_requests_and_an_id_always_goes_the_same_way(kit: Any) -> None:
    plane, _ = plane_of(kit, 1, 2, weights={1: 75.0, 2: 25.0})
    model = plane.table.model("flights")
    first = [model.choose(f"request-{i}").number for i in range(4000)]
    assert first == [model.choose(f"request-{i}").number for i in range(4000)]
    assert 0.22 < Counter(first)[2] / 4000 < 0.28


def test_shadows_and_versions_without_weight_answer_only_when_named(kit: Any) -> None:
    plane, _ = plane_of(kit, 1, 2, 3, weights={1: 100.0, 3: 0.0}, shadows=[2])
    model = plane.table.model("flights")
    assert {model.choose(f"r{i}").number for i in range(500)} == {1}
    assert [v.number for v in model.shadows] == [2]
    assert ask(plane, kit, version=3).version == 3


def test_what_is_not_served_is_not_found(kit: Any) -> None:
    plane, _ = plane_of(kit, 3)
    with pytest.raises(NotFound, match="there is no model 'cars'"):
        asyncio.run(plane.predict("cars", None, {}, 1))
    with pytest.raises(NotFound, match="version 9 of model 'flights'"):
        ask(plane, kit, version=9)
    empty, _ = plane_of(kit, 3, weights={3: 0.0})
    with pytest.raises(NotFound, match="no version that answers"):
        ask(empty, kit)


def test_rows_are_checked_whatever_the_transport(kit: Any) -> None:
    plane, writer = plane_of(kit, 3)
    kit.row["distance"] = -1
    with pytest.raises(InvalidInput, match="must be >= 0"):
        ask(plane, kit)
    assert not writer.records


def test_a_model_that_gives_the_wrong_number_of_scores_is_its_own_fault(kit: Any) -> None:
    plane, _ = plane_of(kit, 3)

    class Short:
        async def predict(self, columns: Any, rows: int) -> list[Any]:
            return []

        async def close(self) -> None: ...

    plane.table.model("flights").version(3).predictor = Short()
    with pytest.raises(StepFailed, match="0 scores for 1 rows"):
        ask(plane, kit)


def test_request_ids_never_come_twice(kit: Any) -> None:
    planes = [plane_of(kit, 3)[0] for _ in range(3)]
    ids = [plane.request_id() for plane in planes for _ in range(100)]
    assert len(set(ids)) == 300


@pytest.mark.parametrize(
    ("task", "scores", "threshold", "decisions"),
    [
        ("binary", [0.29, 0.3, 0.31], 0.3, [False, True, True]),
        ("binary", [0.49, 0.5], None, [False, True]),
        ("binary", [float("nan")], 0.3, [False]),
        ("multiclass", [[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], None, ["b", "a"]),
        ("regression", [3.5, -1.0], None, [3.5, -1.0]),
    ],
)
def test_scores_become_decisions(task: str, scores: Any, threshold: float | None, decisions: Any) -> None:
    assert decide(task, scores, threshold, ("a", "b", "c")) == decisions
