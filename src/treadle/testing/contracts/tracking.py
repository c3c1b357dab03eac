"""What every ``ports.Tracking`` promises of experiments, runs, inputs, comments and garbage."""
# ruff: noqa: S101

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from treadle.domain.errors import Conflict, NotActive, NotFound, ParamChanged
from treadle.domain.search import View
from treadle.domain.tracking import (
    CONTEXT_TAG,
    DEFAULT_EXPERIMENT,
    RUN_NAME_TAG,
    Dataset,
    DatasetInput,
    DatasetSummary,
    LoggedMetric,
    ModelOutput,
    Status,
)
from treadle.ports.tracking import Tracking
from treadle.testing.contracts.base import together

T = TypeVar("T")
LATER = 10**15


class TrackingUnderTest(Protocol):
    """A store with tracking."""

    tracking: Tracking

    def close(self) -> None:
        """Let go of everything."""
        ...


class TrackingBase:
    """Base of the suites of tracking: override :meth:`make`."""

    def make(self, folder: Path) -> TrackingUnderTest:
        """A new store; ``folder`` is the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def tracking(self, tmp_path: Path) -> Iterator[Tracking]:
        """The tracking of one test."""
        store = self.make(tmp_path)
        yield store.tracking
        store.close()


def done(future: Future[T]) -> T:
    """What a write gave."""
    return future.result(30)


def new_run(tracking: Tracking, name: str = "a run", experiment: str = DEFAULT_EXPERIMENT, started: int = 1000) -> str:
    """The id of a new run."""
    return done(tracking.create_run(experiment, name=name, user="ada", started=started)).info.id


def new_experiment(tracking: Tracking, name: str = "a", at: int = 1) -> str:
    """The id of a new experiment."""
    return done(tracking.create_experiment(name, at=at)).id


class ExperimentsContract(TrackingBase):
    """Experiments have a name of their own while they are active."""

    def test_default_is_there(self, tracking: Tracking) -> None:
        """With id 0."""
        default = tracking.get_experiment(DEFAULT_EXPERIMENT)
        assert (default.name, default.active, default.artifact_location) == ("Default", True, "mlflow-artifacts:/0")
        assert tracking.experiment_by_name("Default") == default

    def test_an_experiment_comes_back(self, tracking: Tracking) -> None:
        """By id and by name, which may have folders."""
        made = done(tracking.create_experiment("team/a/b", at=5, artifact_location="file:///x", tags={"k": "v"}))
        assert tracking.get_experiment(made.id) == tracking.experiment_by_name("team/a/b") == made
        assert (made.name, made.artifact_location, made.tags) == ("team/a/b", "file:///x", {"k": "v"})
        assert (made.created, made.updated) == (5, 5)
        other = done(tracking.create_experiment("other", at=6))
        assert other.artifact_location == f"mlflow-artifacts:/{other.id}"
        assert int(other.id) > int(made.id) > 0

    def test_a_name_in_use_conflicts(self, tracking: Tracking) -> None:
        """Created or renamed; what was there stays."""
        a, b = new_experiment(tracking, "a"), new_experiment(tracking, "b")
        with pytest.raises(Conflict):
            done(tracking.create_experiment("a", at=2))
        with pytest.raises(Conflict):
            done(tracking.rename_experiment(b, "a", at=2))
        assert tracking.get_experiment(b).name == "b"
        assert done(tracking.rename_experiment(a, "a", at=3)).name == "a"
        assert done(tracking.rename_experiment(a, "c", at=4)).updated == 4
        new_experiment(tracking, "a")

    def test_unknown_experiments_are_not_found(self, tracking: Tracking) -> None:
        """Whatever their ids look like."""
        for unknown in ("99", "x", "", "-1", "1" * 30, "²"):
            with pytest.raises(NotFound):
                tracking.get_experiment(unknown)
            with pytest.raises(NotFound):
                done(tracking.create_run(unknown, name="r", user="u", started=1))
            with pytest.raises(NotFound):
                done(tracking.rename_experiment(unknown, "n", at=1))
            with pytest.raises(NotFound):
                done(tracking.delete_experiment(unknown, at=1))
            with pytest.raises(NotFound):
                done(tracking.restore_experiment(unknown, at=1))
            with pytest.raises(NotFound):
                done(tracking.set_experiment_tag(unknown, "k", "v"))
        with pytest.raises(NotFound):
            tracking.experiment_by_name("unknown")

    def test_deleting_and_restoring_takes_the_runs_along(self, tracking: Tracking) -> None:
        """But not those that were deleted before."""
        a = new_experiment(tracking)
        first, second = new_run(tracking, "1", a), new_run(tracking, "2", a)
        done(tracking.delete_run(first, at=10))
        assert not done(tracking.delete_experiment(a, at=11)).active
        assert [tracking.run_info(run).deleted for run in (first, second)] == [10, 11]
        with pytest.raises(NotFound):
            done(tracking.delete_experiment(a, at=12))
        with pytest.raises(NotActive):
            done(tracking.create_run(a, name="r", user="u", started=1))
        with pytest.raises(NotActive):
            done(tracking.rename_experiment(a, "n", at=1))
        with pytest.raises(NotActive):
            done(tracking.set_experiment_tag(a, "k", "v"))
        assert done(tracking.restore_experiment(a, at=13)).active
        assert [tracking.run_info(run).active for run in (first, second)] == [False, True]
        with pytest.raises(NotFound):
            done(tracking.restore_experiment(a, at=14))

    def test_a_name_is_free_after_deleting(self, tracking: Tracking) -> None:
        """The one that is restored then gets another name, or the one that is asked for."""
        first = new_experiment(tracking, "a")
        done(tracking.delete_experiment(first, at=2))
        assert tracking.experiment_by_name("a").id == first
        second = new_experiment(tracking, "a")
        assert tracking.experiment_by_name("a").id == second
        with pytest.raises(Conflict):
            done(tracking.restore_experiment(first, at=3, name="a"))
        assert done(tracking.restore_experiment(first, at=3)).name == f"a (restored {first})"
        done(tracking.delete_experiment(second, at=4))
        assert done(tracking.restore_experiment(second, at=5, name="b")).name == "b"

    def test_tags(self, tracking: Tracking) -> None:
        """Are set, replaced and removed."""
        a = new_experiment(tracking)
        done(tracking.set_experiment_tag(a, "k", "1"))
        done(tracking.set_experiment_tag(a, "k", "2" * 10_000))
        assert tracking.get_experiment(a).tags == {"k": "2" * 10_000}
        done(tracking.delete_experiment_tag(a, "k"))
        assert tracking.get_experiment(a).tags == {}
        with pytest.raises(NotFound):
            done(tracking.delete_experiment_tag(a, "k"))


class RunStoreContract(TrackingBase):
    """Runs are created, logged to and changed."""

    def test_a_run_comes_back(self, tracking: Tracking) -> None:
        """With its name as a tag."""
        a = new_experiment(tracking)
        made = done(tracking.create_run(a, name="n", user="ada", started=7, tags={"k": "v"}))
        assert tracking.get_run(made.info.id) == made
        assert tracking.run_info(made.info.id) == made.info
        info = made.info
        assert (info.experiment, info.name, info.user, info.status) == (a, "n", "ada", Status.RUNNING)
        assert (info.started, info.ended, info.active, info.deleted) == (7, None, True, None)
        assert len(info.id) == 32
        assert info.artifact_uri == f"mlflow-artifacts:/{a}/{info.id}/artifacts"
        assert made.tags == {"k": "v", RUN_NAME_TAG: "n"}

    def test_an_id_may_be_given_and_makes_creating_repeatable(self, tracking: Tracking) -> None:
        """The second time gives what is there."""
        for name in ("first", "second"):
            run = done(tracking.create_run("0", name=name, user="u", started=1, run_id="ab" * 16))
            assert (run.info.id, run.info.name) == ("ab" * 16, "first")

    def test_unknown_runs_are_not_found(self, tracking: Tracking) -> None:
        """Whatever is asked of them."""
        with pytest.raises(NotFound):
            tracking.get_run("x")
        with pytest.raises(NotFound):
            tracking.run_info("x")
        with pytest.raises(NotFound):
            tracking.history("x", "loss")
        with pytest.raises(NotFound):
            tracking.comments("x")
        changes: list[Future[Any]] = [
            tracking.update_run("x", status=Status.FAILED),
            tracking.delete_run("x", at=1),
            tracking.restore_run("x"),
            tracking.move_run("x", "0"),
            tracking.log_batch("x", tags=[("a", "b")]),
            tracking.delete_tag("x", "a"),
            tracking.log_inputs("x"),
            tracking.log_outputs("x", []),
            tracking.add_comment("x", author="a", text="t", at=1),
        ]
        for change in changes:
            with pytest.raises(NotFound):
                done(change)

    def test_updating(self, tracking: Tracking) -> None:
        """What is not given stays; name and tag are one."""
        run = new_run(tracking)
        assert done(tracking.update_run(run)).status is Status.RUNNING
        info = done(tracking.update_run(run, status=Status.FINISHED, ended=9, name="new"))
        assert (info.status, info.ended, info.name) == (Status.FINISHED, 9, "new")
        assert tracking.run_info(run) == info
        assert tracking.get_run(run).tags == {RUN_NAME_TAG: "new"}
        done(tracking.log_batch(run, tags=[(RUN_NAME_TAG, "newer")]))
        assert tracking.run_info(run).name == "newer"

    def test_deleted_runs_take_nothing(self, tracking: Tracking) -> None:
        """Until they are restored; deleting and restoring twice is no error."""
        run = new_run(tracking)
        for at in (5, 6):
            done(tracking.delete_run(run, at=at))
        assert (tracking.run_info(run).active, tracking.run_info(run).deleted) == (False, 5)
        changes: list[Future[Any]] = [
            tracking.update_run(run, name="x"),
            tracking.log_batch(run, params=[("a", "b")]),
            tracking.delete_tag(run, RUN_NAME_TAG),
            tracking.log_inputs(run, models=["m"]),
            tracking.log_outputs(run, [ModelOutput("m")]),
            tracking.move_run(run, "0"),
        ]
        for change in changes:
            with pytest.raises(NotActive):
                done(change)
        for _ in range(2):
            done(tracking.restore_run(run))
        assert tracking.run_info(run).active
        assert tracking.run_info(run).deleted is None

    def test_params_are_set_once(self, tracking: Tracking) -> None:
        """The same again is fine; a change names both values, and nothing of its batch is kept."""
        run = new_run(tracking)
        done(tracking.log_batch(run, params=[("depth", "3"), ("depth", "3"), ("wide", "x" * 100)]))
        done(tracking.log_batch(run, params=[("depth", "3"), ("wide", "x" * 100)]))
        with pytest.raises(ParamChanged) as caught:
            done(
                tracking.log_batch(
                    run,
                    params=[("new", "1"), ("depth", "4"), ("wide", "x" * 101)],
                    metrics=[LoggedMetric("loss", 1.0, 1)],
                    tags=[("t", "1")],
                )
            )
        assert sorted(caught.value.changes) == [("depth", "3", "4"), ("wide", "x" * 100, "x" * 101)]
        found = tracking.get_run(run)
        assert found.params == {"depth": "3", "wide": "x" * 100}
        assert (list(found.metrics), found.tags) == ([], {RUN_NAME_TAG: "a run"})
        with pytest.raises(ParamChanged):
            done(tracking.log_batch(run, params=[("twice", "1"), ("twice", "2")]))
        assert "twice" not in tracking.get_run(run).params

    def test_values_of_any_length_are_kept_whole(self, tracking: Tracking) -> None:
        """Empty ones and long ones, in every script."""
        run = new_run(tracking)
        for number, value in enumerate(("", "a" * 99, "a" * 100, "a" * 101, "ä∑🙂" * 30_000, "a\nb\tc'\"\\%_*?[]")):
            done(tracking.log_batch(run, params=[(f"p{number}", value)], tags=[(f"t{number}", value)]))
            found = tracking.get_run(run)
            assert found.params[f"p{number}"] == value
            assert found.tags[f"t{number}"] == value
        done(tracking.log_batch(run, tags=[("t4", "short")]))
        assert tracking.get_run(run).tags["t4"] == "short"

    def test_tags_are_replaced_and_removed(self, tracking: Tracking) -> None:
        """The last one of a batch stands."""
        run = new_run(tracking)
        done(tracking.log_batch(run, tags=[("k", "1"), ("k", "2")]))
        assert tracking.get_run(run).tags["k"] == "2"
        done(tracking.delete_tag(run, "k"))
        assert "k" not in tracking.get_run(run).tags
        with pytest.raises(NotFound):
            done(tracking.delete_tag(run, "k"))

    def test_moving_a_run(self, tracking: Tracking) -> None:
        """Its artifacts stay where they are."""
        a, b = new_experiment(tracking, "a"), new_experiment(tracking, "b")
        run = new_run(tracking, experiment=a)
        before = tracking.run_info(run).artifact_uri
        moved = done(tracking.move_run(run, b))
        assert (moved.experiment, moved.artifact_uri) == (b, before)
        assert [found.info.id for found in tracking.search_runs([b]).items] == [run]
        assert tracking.count_runs([a]) == 0
        with pytest.raises(NotFound):
            done(tracking.move_run(run, "99"))
        done(tracking.delete_experiment(a, at=2))
        with pytest.raises(NotActive):
            done(tracking.move_run(run, a))

    def test_inputs_and_outputs(self, tracking: Tracking) -> None:
        """Logged again they are no change; data sets are found by experiment."""
        a = new_experiment(tracking)
        run, other = new_run(tracking, experiment=a), new_run(tracking, experiment=a)
        data = Dataset("iris", "d1", "local", "{}", schema="s", profile="p")
        used = DatasetInput(data, {CONTEXT_TAG: "train", "x": "y"})
        for _ in range(2):
            done(tracking.log_inputs(run, datasets=[used, used], models=["m-1", "m-1"]))
            done(tracking.log_outputs(run, [ModelOutput("m-2", 3), ModelOutput("m-2", 3)]))
        done(tracking.log_inputs(other, datasets=[DatasetInput(data)]))
        found = tracking.get_run(run)
        assert list(found.datasets) == [used]
        assert list(found.model_inputs) == ["m-1"]
        assert list(found.model_outputs) == [ModelOutput("m-2", 3)]
        assert list(tracking.get_run(other).datasets) == [DatasetInput(data)]
        summaries = set(tracking.search_datasets([a]))
        assert summaries == {DatasetSummary(a, "iris", "d1", None), DatasetSummary(a, "iris", "d1", "train")}
        assert list(tracking.search_datasets(["0"])) == []

    def test_many_threads_log_to_one_run(self, tracking: Tracking) -> None:
        """Nothing is lost or doubled."""
        run = new_run(tracking)

        def work(number: int) -> None:
            for i in range(10):
                metrics = [LoggedMetric("loss", i, 1, i * 4 + number), LoggedMetric("same", 1.0, 1, 1)]
                done(tracking.log_batch(run, metrics=metrics, params=[(f"{number}/{i}", "x")]))

        assert together(4, work) == [None] * 4
        found = tracking.get_run(run)
        assert len(found.params) == 40
        assert list(tracking.history(run, "loss").steps) == list(range(40))
        assert len(tracking.history(run, "same")) == 1

    def test_comments(self, tracking: Tracking) -> None:
        """Are added, edited and removed."""
        run = new_run(tracking)
        first = done(tracking.add_comment(run, author="ada", text="good", at=1))
        second = done(tracking.add_comment(run, author="bob", text="why?", at=2))
        assert list(tracking.comments(run)) == [first, second]
        edited = done(tracking.edit_comment(first.id, text="very good", at=3))
        assert (edited.text, edited.at, edited.edited, edited.author) == ("very good", 1, 3, "ada")
        done(tracking.delete_comment(second.id))
        assert list(tracking.comments(run)) == [edited]
        with pytest.raises(NotFound):
            done(tracking.delete_comment(second.id))
        with pytest.raises(NotFound):
            done(tracking.edit_comment("x", text="", at=1))

    def test_collecting_garbage(self, tracking: Tracking) -> None:
        """Frees what was deleted before a time, and nothing else."""
        a = new_experiment(tracking)
        kept, gone, late, inside = (new_run(tracking, name) for name in ("kept", "gone", "late", "inside"))
        inside = new_run(tracking, "inside", a)
        done(tracking.log_batch(gone, metrics=[LoggedMetric("m", math.pi, 1)], params=[("a", "b")]))
        done(tracking.log_inputs(inside, datasets=[DatasetInput(Dataset("n", "d", "t", "s"))]))
        done(tracking.set_experiment_tag(a, "k", "v"))
        done(tracking.add_comment(gone, author="a", text="t", at=1))
        done(tracking.delete_run(gone, at=10))
        done(tracking.delete_run(late, at=20))
        uri = tracking.run_info(gone).artifact_uri
        freed = done(tracking.collect(deleted_before=15))
        assert (list(freed.runs), list(freed.artifacts), list(freed.experiments)) == ([gone], [uri], [])
        with pytest.raises(NotFound):
            tracking.get_run(gone)
        done(tracking.delete_experiment(a, at=30))
        assert done(tracking.collect(deleted_before=LATER, runs=[kept])).runs == []
        freed = done(tracking.collect(deleted_before=LATER))
        assert (sorted(freed.runs), list(freed.experiments)) == (sorted([late, inside]), [a])
        with pytest.raises(NotFound):
            tracking.get_experiment(a)
        everything = tracking.search_runs(["0", a], view=View.ALL).items
        assert kept in [run.info.id for run in everything]
        assert not {gone, late, inside} & {run.info.id for run in everything}
