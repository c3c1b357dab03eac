from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from treadle.domain.data import Profile, Snapshot
from treadle.domain.errors import CorruptData, InvalidInput, NotFound
from treadle.domain.events import Event, GatesEvaluated, VersionRegistered
from treadle.domain.gates import GateReport, Verdict
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.runs import Run, RunStatus
from treadle.domain.trainings import Trained
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.registry.service import RegistryService
from treadle.testing.memory import ManualClock, MemoryBlobs, MemoryEvents, MemoryRuns, MemorySnapshots, MemoryVersions

NOW = datetime(2024, 5, 1, tzinfo=UTC)
EMPTY = Profile(0, {})
SNAPSHOT = Snapshot("s" * 64, "flights", 9, 9, None, NOW, NOW, {}, (), EMPTY, "c" * 64)


class Crash(BaseException):
    """Stands for a process that is gone."""


class FragileVersions(MemoryVersions):
    """May crash before an alias is set, and may lose a race for a number to a rival."""

    def __init__(self, events: MemoryEvents) -> None:
        super().__init__(events)
        self.crash = False
        self.rival: ModelVersion | None = None

    def set_alias(self, model: str, alias: str, number: int | None, *events: Event) -> None:
        if self.crash:
            raise Crash
        super().set_alias(model, alias, number, *events)

    def register(self, version: ModelVersion, *events: Event) -> None:
        if self.rival is not None:
            rival, self.rival = self.rival, None
            super().register(rival)
        super().register(version, *events)


class Store:
    """What a registry stands on."""

    def __init__(self) -> None:
        self.events = MemoryEvents()
        self.versions = FragileVersions(self.events)
        self.snapshots = MemorySnapshots()
        self.snapshots.put(SNAPSHOT)
        self.runs = MemoryRuns(self.events)
        self.blobs = MemoryBlobs()
        self.artifacts = {"model.pkl": self.blobs.put(b"model"), "model.onnx": self.blobs.put(b"compiled")}

    def told(self) -> list[Event]:
        self.events.seal()
        return [sealed.event for sealed in self.events.read()]


APPLIED = AppliedModel(
    "flights", 1, "{}", "spec", CodeTree("model.py", {}, "code", "/root"), EnvironmentLock("", "3.11", "env"), NOW
)


def trained(run: str, artifacts: dict[str, str]) -> Trained:
    return Trained(
        model="flights",
        run=run,
        recipe=Recipe("spec", "code", SNAPSHOT.digest, "env", {"depth": 3}, 0),
        artifacts=artifacts,
        classes=("False", "True"),
        threshold=0.3,
        metrics={"auc": 0.7},
        compilation=Compilation("onnx"),
        validation_rows="v",
        test_rows="t",
        test_scores="ts",
        profile=EMPTY,
        score_profile=EMPTY,
    )


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def registry(store: Store) -> RegistryService:
    return RegistryService(store.versions, store.snapshots, store.runs, store.blobs, ManualClock(NOW))


@pytest.fixture
def register(store: Store, registry: RegistryService) -> Callable[..., ModelVersion]:
    def one(attempt: str, parent: int | None = None) -> ModelVersion:
        run = f"run-{attempt}"
        store.runs.create(Run(run, "flights", RunStatus.FINISHED, NOW))
        return registry.register(APPLIED, trained(run, store.artifacts), attempt, NOW, parent)

    return one


def test_register(store: Store, register: Callable[..., ModelVersion]) -> None:
    version = register("a-1")
    assert (version.number, version.run, version.threshold, version.code_root) == (1, "run-a-1", 0.3, "/root")
    assert version.recipe_digest == version.recipe.digest
    assert store.versions.aliases("flights") == {"challenger": 1}
    (event,) = store.told()
    assert event.payload == VersionRegistered("a-1", 1, "run-a-1", version.recipe_digest, version.artifact_digest)
    assert register("a-1") == version
    assert len(store.told()) == 1
    assert register("a-2", 1).parent == 1
    assert store.versions.aliases("flights") == {"challenger": 2}


def test_a_crash_before_the_event_leaves_nothing_untold(store: Store, register: Callable[..., ModelVersion]) -> None:
    store.versions.crash = True
    with pytest.raises(Crash):
        register("a-1")
    assert store.told() == []
    store.versions.crash = False
    assert register("a-1").number == 1
    assert len(store.told()) == 1
    assert store.versions.aliases("flights") == {"challenger": 1}


def test_numbers_are_never_shared(store: Store, register: Callable[..., ModelVersion]) -> None:
    first = register("a-1")
    store.versions.rival = replace(first, number=2, attempt="other")
    assert register("a-2").number == 3


def test_artifacts_must_be_stored(registry: RegistryService) -> None:
    lost = trained("run-1", {"model.pkl": "0" * 64})
    with pytest.raises(NotFound, match=r"artifact model\.pkl"):
        registry.register(APPLIED, lost, "a-1", NOW)


def test_judge(store: Store, registry: RegistryService, register: Callable[..., ModelVersion]) -> None:
    report = GateReport(Verdict.PASS, (), 9)
    version = registry.judge(register("a-1"), report, None)
    assert version.gates == report == registry.get("flights", 1).gates
    registry.judge(version, report, None)
    registry.judge(version, report, 4)
    payloads = [e.payload for e in store.told() if isinstance(e.payload, GatesEvaluated)]
    assert payloads == [GatesEvaluated(1, None, report), GatesEvaluated(1, 4, report)]


def test_resolve(registry: RegistryService, register: Callable[..., ModelVersion]) -> None:
    with pytest.raises(NotFound, match="no version yet"):
        registry.resolve("flights")
    register("a-1")
    register("a-2")
    assert registry.resolve("flights").number == 2
    registry.alias("flights", "champion", 1)
    assert registry.resolve("flights").number == 1
    assert registry.resolve("flights@champion").number == 1
    assert registry.resolve("flights@challenger").number == 2
    assert registry.resolve("flights/2").number == 2
    with pytest.raises(NotFound, match=r"no alias 'prod'(.|\n)*challenger \(2\), champion \(1\)"):
        registry.resolve("flights@prod")
    with pytest.raises(NotFound):
        registry.resolve("flights/7")
    for wrong in ("", "flights/x", "flights@", "a b", "flights@champion/2"):
        with pytest.raises(InvalidInput, match="names no version"):
            registry.resolve(wrong)


def test_lineage_both_ways(registry: RegistryService, register: Callable[..., ModelVersion]) -> None:
    first, second = register("a-1"), register("a-2", 1)
    up = registry.lineage(second)
    assert (up.run.id, up.snapshot, up.code, up.environment) == ("run-a-2", SNAPSHOT, "code", "env")
    assert up.parent == first
    assert registry.lineage(first).children == (2,)
    assert registry.lineage(first).siblings == ("flights/2",)
    assert {v.number for v in registry.trained_on(SNAPSHOT.digest)} == {1, 2}
    assert [v.number for v in registry.versions("flights")] == [2, 1]


def test_verify(store: Store, registry: RegistryService, register: Callable[..., ModelVersion]) -> None:
    version = register("a-1")
    registry.verify(version)
    with pytest.raises(CorruptData):
        registry.verify(replace(version, artifacts={"model.pkl": version.artifacts["model.onnx"]}))
    with pytest.raises(CorruptData):
        registry.verify(replace(version, recipe=replace(version.recipe, seed=9)))
    store.blobs.delete(version.artifacts["model.onnx"])
    with pytest.raises(NotFound):
        registry.verify(version)
