"""What every ``ports.Runs`` promises."""
# ruff: noqa: S101

from __future__ import annotations

import math

import pytest

from treadle.domain.errors import Conflict, NotFound
from treadle.domain.runs import MetricPoint, RunStatus
from treadle.testing import samples
from treadle.testing.contracts.base import StoreContract, StoreUnderTest, together


def point(value: float, step: int = 0, hour: float = 0, key: str = "loss") -> MetricPoint:
    """A point of a metric."""
    return MetricPoint(key, value, step, samples.hours(hour))


class RunsContract(StoreContract):
    """A run is created once, logged to while it runs, and finished once."""

    def test_a_run_comes_back(self, store: StoreUnderTest) -> None:
        """Equal to what was created."""
        run = samples.a_run()
        store.runs.create(run)
        assert store.runs.get(run.id) == run

    def test_creating_again_is_no_change(self, store: StoreUnderTest) -> None:
        """Neither of the run nor of the events."""
        store.runs.create(samples.a_run(), samples.an_event("created"))
        store.runs.create(samples.a_run(model="bikes"), samples.an_event("again"))
        assert store.runs.get("run-1").model == "flights"
        assert store.events.seal() == 1

    def test_unknown_runs_are_not_found(self, store: StoreUnderTest) -> None:
        """Whatever is asked of them; a finish leaves no event."""
        with pytest.raises(NotFound):
            store.runs.get("nothing")
        with pytest.raises(NotFound):
            store.runs.log("nothing", tags={"a": "b"})
        with pytest.raises(NotFound):
            store.runs.points("nothing", "loss")
        with pytest.raises(NotFound):
            store.runs.finish(samples.a_run("nothing"), samples.an_event())
        assert store.events.seal() == 0

    def test_points_come_by_step_then_time(self, store: StoreUnderTest) -> None:
        """However they were logged; the last value is that of the greatest step, then time."""
        store.runs.create(samples.a_run())
        store.runs.log("run-1", metrics=[point(0.3, 2), point(0.5, 1, 5)])
        store.runs.log("run-1", metrics=[point(0.9, 0), point(0.4, 1, 3), point(7, key="auc")])
        assert list(store.runs.points("run-1", "loss")) == [
            point(0.9, 0),
            point(0.4, 1, 3),
            point(0.5, 1, 5),
            point(0.3, 2),
        ]
        assert store.runs.get("run-1").metrics == {"loss": 0.3, "auc": 7.0}
        assert list(store.runs.points("run-1", "nothing")) == []

    def test_identical_points_are_one(self, store: StoreUnderTest) -> None:
        """In one call and over calls, not-a-number too."""
        store.runs.create(samples.a_run())
        for _ in range(2):
            store.runs.log("run-1", metrics=[point(0.5), point(0.5), point(math.nan, 1), point(0.5, 0, 1)])
        assert len(store.runs.points("run-1", "loss")) == 3

    def test_extreme_values_come_back(self, store: StoreUnderTest) -> None:
        """Infinities, not-a-number, tiny and huge numbers; microseconds."""
        values = [math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, -0.1]
        store.runs.create(samples.a_run())
        store.runs.log("run-1", metrics=[point(v, i, 1e-6 / 3) for i, v in enumerate(values)])
        back = [p.value for p in store.runs.points("run-1", "loss")]
        assert [repr(v) for v in back] == [repr(v) for v in values]
        store.runs.log("run-1", metrics=[point(math.nan, 99)])
        assert math.isnan(store.runs.get("run-1").metrics["loss"])

    def test_params_are_set_once(self, store: StoreUnderTest) -> None:
        """The same value again is fine; another conflicts, and nothing of that call is kept."""
        store.runs.create(samples.a_run())
        store.runs.log("run-1", params={"depth": 3, "max_iter": 150})
        store.runs.log("run-1", params={"depth": 3})
        with pytest.raises(Conflict):
            store.runs.log("run-1", params={"new": 1, "depth": 4}, metrics=[point(1.0)], tags={"t": "1"})
        run = store.runs.get("run-1")
        assert run.params == {"max_iter": 150, "depth": 3}
        assert (run.metrics, run.tags) == ({}, {"trigger": "age"})

    def test_tags_may_change(self, store: StoreUnderTest) -> None:
        """The last one stands."""
        store.runs.create(samples.a_run())
        store.runs.log("run-1", tags={"trigger": "gate", "note": "a"})
        assert store.runs.get("run-1").tags == {"trigger": "gate", "note": "a"}

    def test_finishing_keeps_what_was_logged(self, store: StoreUnderTest) -> None:
        """Status, end, artifacts and leaderboard are replaced; metrics, params and tags stay."""
        run = samples.a_run()
        store.runs.create(run)
        store.runs.log(run.id, metrics=[point(0.5)], params={"depth": 3}, tags={"note": "a"})
        done = samples.finished(run, metrics={"auc": 0.7}, snapshot="5a" * 32)
        store.runs.finish(done, samples.an_event("finished"))
        found = store.runs.get(run.id)
        assert (found.status, found.ended_at, found.artifacts) == (RunStatus.FINISHED, done.ended_at, done.artifacts)
        assert (found.leaderboard, found.snapshot) == (done.leaderboard, done.snapshot)
        assert found.metrics == {"loss": 0.5, "auc": 0.7}
        assert found.params == {"max_iter": 150, "depth": 3}
        assert found.tags == {"trigger": "age", "note": "a"}
        assert store.events.seal() == 1

    def test_runs_are_listed_newest_first(self, store: StoreUnderTest) -> None:
        """By model and parent, with a limit, and with their metrics."""
        for i in range(4):
            parent = "run-0" if i in (1, 2) else None
            model = "bikes" if i == 3 else "flights"
            store.runs.create(samples.a_run(f"run-{i}", started_at=samples.hours(i), parent=parent, model=model))
        store.runs.log("run-2", metrics=[point(0.5)])
        assert [run.id for run in store.runs.list()] == ["run-3", "run-2", "run-1", "run-0"]
        assert [run.id for run in store.runs.list(model="flights", limit=2)] == ["run-2", "run-1"]
        trials = store.runs.list(parent="run-0")
        assert [(run.id, run.metrics) for run in trials] == [("run-2", {"loss": 0.5}), ("run-1", {})]
        assert [run.id for run in store.runs.list(parent="")] == ["run-3", "run-0"]

    def test_threads_log_to_one_run(self, store: StoreUnderTest) -> None:
        """Nothing is lost."""
        store.runs.create(samples.a_run())

        def work(number: int) -> None:
            for i in range(5):
                store.runs.log("run-1", metrics=[point(i, i, number)], tags={f"{number}/{i}": "x"})

        assert together(4, work) == [None] * 4
        assert len(store.runs.points("run-1", "loss")) == 20
        assert len(store.runs.get("run-1").tags) == 21
        assert store.runs.get("run-1").metrics == {"loss": 4.0}
