"""What every ``ports.LoggedModels`` promises, beside tracking in one store."""
# ruff: noqa: S101

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from treadle.domain.errors import Conflict, InvalidInput, NotFound
from treadle.domain.logged_models import LoggedModel, MeasuredOn, ModelOrder, ModelStatus
from treadle.domain.registered import NewVersion
from treadle.domain.search import AllOf, Column, Comparison, Kind, Op, Order
from treadle.domain.tracking import DEFAULT_EXPERIMENT, LoggedMetric
from treadle.ports.logged_models import LoggedModels
from treadle.ports.registered import Registered
from treadle.ports.tracking import Tracking
from treadle.testing.contracts.registered import change, done

LOSS = Column(Kind.METRIC, "loss")


class LoggedModelsUnderTest(Protocol):
    """A store with logged models."""

    logged_models: LoggedModels
    tracking: Tracking
    registered: Registered

    def close(self) -> None:
        """Let go of everything."""
        ...


def a_model(number: int = 1, **fields: object) -> LoggedModel:
    """A new one."""
    given: dict[str, object] = {
        "id": f"m-{number}",
        "experiment": "0",
        "name": f"model {number}",
        "artifact_location": f"mlflow-artifacts:/0/models/m-{number}/artifacts",
        "created": 1000 + number,
        "updated": 1000 + number,
        **fields,
    }
    return LoggedModel(**given)  # type: ignore[arg-type]


class LoggedModelsContract:
    """Models that runs logged."""

    def make(self, folder: Path) -> LoggedModelsUnderTest:
        """A new, empty store; ``folder`` is the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LoggedModelsUnderTest]:
        """The store of one test."""
        store = self.make(tmp_path)
        yield store
        store.close()

    @pytest.fixture
    def logged(self, store: LoggedModelsUnderTest) -> LoggedModels:
        """Its logged models."""
        return store.logged_models

    def test_a_model_comes_back(self, logged: LoggedModels) -> None:
        """With params and tags."""
        model = a_model(params={"b": "2", "a": "x" * 10_000}, tags={"k": ""}, model_type="agent", source_run="r")
        made = done(logged.create_logged_model(model))
        assert made == logged.get_logged_model("m-1")
        assert (dict(made.params), dict(made.tags), made.model_type) == (dict(model.params), {"k": ""}, "agent")
        with pytest.raises(Conflict):
            done(logged.create_logged_model(model))

    def test_its_life(self, logged: LoggedModels) -> None:
        """Pending, ready, deleted; a deleted one is found where it is asked for."""
        done(logged.create_logged_model(a_model()))
        ready = done(logged.finalize_logged_model("m-1", ModelStatus.READY, at=5))
        assert (ready.status, ready.updated) == (ModelStatus.READY, 5)
        done(logged.delete_logged_model("m-1", at=6))
        with pytest.raises(NotFound):
            logged.get_logged_model("m-1")
        assert not logged.get_logged_model("m-1", deleted=True).active
        assert logged.search_logged_models(["0"]).items == []

    def test_tags_and_params(self, logged: LoggedModels) -> None:
        """Params are set once."""
        done(logged.create_logged_model(a_model(tags={"a": "1"})))
        done(logged.set_logged_model_tags("m-1", {"a": "2", "b": "3"}))
        done(logged.delete_logged_model_tag("m-1", "b"))
        with pytest.raises(NotFound):
            done(logged.delete_logged_model_tag("m-1", "b"))
        done(logged.log_model_params("m-1", {"p": "1"}))
        done(logged.log_model_params("m-1", {"p": "1", "q": "2"}))
        with pytest.raises(InvalidInput):
            done(logged.log_model_params("m-1", {"r": "1", "p": "2"}))
        found = logged.get_logged_model("m-1")
        assert (dict(found.tags), dict(found.params)) == ({"a": "2"}, {"p": "1", "q": "2"})
        for call in (
            lambda: done(logged.set_logged_model_tags("m-9", {"a": "1"})),
            lambda: done(logged.log_model_params("m-9", {})),
            lambda: done(logged.delete_logged_model("m-9", at=1)),
            lambda: done(logged.finalize_logged_model("m-9", ModelStatus.FAILED, at=1)),
        ):
            with pytest.raises(NotFound):
                call()

    def test_what_runs_measure_of_it(self, store: LoggedModelsUnderTest) -> None:
        """Points come with their run and data set; NaN and infinities too, identical points once."""
        done(store.logged_models.create_logged_model(a_model()))
        run = done(store.tracking.create_run(DEFAULT_EXPERIMENT, name="r", user="u", started=1)).info.id
        points = [
            LoggedMetric("loss", 0.5, 10, 0, "m-1", "train", "d1"),
            LoggedMetric("loss", math.nan, 10, 1, "m-1", "train", "d1"),
            LoggedMetric("loss", math.inf, 10, 2, "m-1"),
            LoggedMetric("other", 1.0, 10, 0),
        ]
        for _ in range(2):
            done(store.tracking.log_batch(run, metrics=points))
        found = store.logged_models.get_logged_model("m-1").metrics
        assert [(m.step, m.dataset_name, m.dataset_digest, m.run) for m in found] == [
            (0, "train", "d1", run), (1, "train", "d1", run), (2, None, None, run),
        ]  # fmt: skip
        assert (found[0].value, found[2].value) == (0.5, math.inf)
        assert math.isnan(found[1].value)

    def test_registrations_show(self, store: LoggedModelsUnderTest) -> None:
        """The versions that were made of it."""
        done(store.logged_models.create_logged_model(a_model()))
        done(store.registered.create_model("a", change()))
        done(store.registered.create_version("a", NewVersion("models:/m-1", "x", model_id="m-1"), change()))
        assert list(store.logged_models.get_logged_model("m-1").registrations) == [("a", 1)]

    def test_searches(self, logged: LoggedModels) -> None:
        """By attribute, param and tag, in the experiments asked for; without an order, newest first."""
        for number in (1, 2, 3):
            fields = {"params": {"p": str(number)}, "tags": {"t": "x"} if number > 1 else {}}
            done(logged.create_logged_model(a_model(number, **fields)))
        done(logged.create_logged_model(a_model(4, experiment="7", status=ModelStatus.READY, model_type="agent")))

        def found(
            *terms: Comparison, order: tuple[ModelOrder, ...] = (), among: tuple[str, ...] = ("0", "7")
        ) -> list[str]:
            return [model.id for model in logged.search_logged_models(among, AllOf(terms), order).items]

        assert found() == ["m-4", "m-3", "m-2", "m-1"]
        assert found(among=("0",)) == ["m-3", "m-2", "m-1"]
        assert found(Comparison(Column(Kind.PARAM, "p"), Op.IN, ("1", "3"))) == ["m-3", "m-1"]
        assert found(Comparison(Column(Kind.TAG, "t"), Op.EQ, "x")) == ["m-3", "m-2"]
        assert found(Comparison(Column(Kind.TAG, "t"), Op.IS_NULL)) == ["m-4", "m-1"]
        assert found(Comparison(Column(Kind.ATTRIBUTE, "status"), Op.EQ, "READY")) == ["m-4"]
        assert found(Comparison(Column(Kind.ATTRIBUTE, "model_type"), Op.NE, "agent")) == []
        assert found(Comparison(Column(Kind.ATTRIBUTE, "creation_timestamp"), Op.LE, 1002)) == ["m-2", "m-1"]
        by_param = ModelOrder(Order(Column(Kind.PARAM, "p")))
        assert found(order=(by_param,)) == ["m-1", "m-2", "m-3", "m-4"]
        by_type = ModelOrder(Order(Column(Kind.ATTRIBUTE, "model_type")))
        assert found(order=(by_type,))[0] == "m-4"

    def test_searches_of_measurements(self, store: LoggedModelsUnderTest) -> None:
        """A metric stands for any point in conditions and for the newest in orders, on the data sets asked for."""
        logged = store.logged_models
        for number in (1, 2, 3):
            done(logged.create_logged_model(a_model(number)))
        run = done(store.tracking.create_run(DEFAULT_EXPERIMENT, name="r", user="u", started=1)).info.id
        points = [
            LoggedMetric("loss", 0.9, 1, 0, "m-1", "train", "d"),
            LoggedMetric("loss", 0.1, 2, 0, "m-1", "test", "d"),
            LoggedMetric("loss", 0.5, 1, 0, "m-2", "train", "d"),
            LoggedMetric("loss", math.nan, 9, 0, "m-3", "train", "e"),
        ]
        done(store.tracking.log_batch(run, metrics=points))

        def found(
            *terms: Comparison, order: tuple[ModelOrder, ...] = (), datasets: tuple[MeasuredOn, ...] = ()
        ) -> list[str]:
            return [m.id for m in logged.search_logged_models(["0"], AllOf(terms), order, datasets=datasets).items]

        low = Comparison(LOSS, Op.LT, 0.6)
        assert found(low) == ["m-2", "m-1"]
        assert found(low, datasets=(MeasuredOn("train"),)) == ["m-2"]
        assert found(datasets=(MeasuredOn("train", "e"), MeasuredOn("test"))) == ["m-3", "m-1"]
        assert found(order=(ModelOrder(Order(LOSS)),)) == ["m-1", "m-2", "m-3"]
        worst_on_train = ModelOrder(Order(LOSS, ascending=False), MeasuredOn("train"))
        assert found(order=(worst_on_train,)) == ["m-1", "m-2", "m-3"]
        assert found(order=(ModelOrder(Order(LOSS), MeasuredOn("test", "d")),)) == ["m-1", "m-3", "m-2"]

    def test_deleted_ones_are_freed(self, store: LoggedModelsUnderTest) -> None:
        """With all that was logged to them; others stay, asked for or not."""
        for number in (1, 2, 3):
            done(store.logged_models.create_logged_model(a_model(number, params={"a": "1"}, tags={"b": "2"})))
        for number, at in ((1, 5000), (2, 9000)):
            done(store.logged_models.delete_logged_model(f"m-{number}", at=at))
        assert [model.id for model in store.logged_models.deleted_logged_models(9000)] == ["m-1"]
        assert [model.id for model in store.logged_models.deleted_logged_models(9001)] == ["m-1", "m-2"]
        done(store.logged_models.free_logged_models(["m-1", "m-3", "nobody"]))
        with pytest.raises(NotFound):
            store.logged_models.get_logged_model("m-1", deleted=True)
        assert [model.id for model in store.logged_models.deleted_logged_models(9001)] == ["m-2"]
        assert store.logged_models.get_logged_model("m-3").params == {"a": "1"}
        done(store.logged_models.create_logged_model(a_model(1)))
        assert store.logged_models.get_logged_model("m-1").tags == {}

    def test_pages_lead_on(self, logged: LoggedModels) -> None:
        """Each model once; a made-up cursor is refused."""
        for number in range(5):
            done(logged.create_logged_model(a_model(number, created=7)))
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = logged.search_logged_models(["0"], limit=2, cursor=cursor)
            seen += [model.id for model in page.items]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == ["m-0", "m-1", "m-2", "m-3", "m-4"]
        with pytest.raises(InvalidInput):
            logged.search_logged_models(["0"], cursor="nonsense")
