from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from treadle.domain.data import Profile, Snapshot
from treadle.domain.errors import Conflict, CorruptData, InvalidInput, NotFound
from treadle.domain.events import Event, GatesEvaluated, VersionRegistered
from treadle.domain.gates import GateReport, Verdict
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.runs import Run, RunStatus
from treadle.domain.trainings import Trained
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.registry.service import RegistryService

NOW = datetime(2024, 5, 1, tzinfo=UTC)
EMPTY = Profile(0, {})
SNAPSHOT = Snapshot("s" * 64, "flights", 9, 9, None, NOW, NOW, {}, (), EMPTY, "c" * 64)


class Clock:
    def now(self) -> datetime:
        return NOW


class Crash(BaseException):
    """Stands for a process that is gone."""


class Store:
    """Versions, snapshots, runs and blobs in memory. ``crash_on`` names a method that is never reached."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, int], ModelVersion] = {}
        self.by_alias: dict[tuple[str, str], int] = {}
        self.events: list[Event] = []
        self.blobs: dict[str, bytes] = {}
        self.crash_on = ""
        self.rival: ModelVersion | None = None

    def _tell(self, events: tuple[Event, ...]) -> None:
        known = {e.once for e in self.events if e.once}
        self.events += [e for e in events if e.once not in known]

    def register(self, version: ModelVersion, *events: Event) -> None:
        if self.rival is not None:
            self.versions[version.model, version.number], self.rival = self.rival, None
        held = self.versions.get((version.model, version.number))
        if held is not None and held.attempt != version.attempt:
            raise Conflict("taken")
        self.versions[version.model, version.number] = version
        self._tell(events)

    def next_number(self, model: str) -> int:
        return max((n for m, n in self.versions if m == model), default=0) + 1

    def judge(self, model: str, number: int, report: GateReport, *events: Event) -> None:
        self.versions[model, number] = replace(self.get(model, number), gates=report)
        self._tell(events)

    def get(self, model: str, number: int) -> ModelVersion:
        if (model, number) not in self.versions:
            raise NotFound(f"no version {number} of {model}")
        return self.versions[model, number]

    def by_attempt(self, model: str, attempt: str) -> ModelVersion | None:
        return next((v for (m, _), v in self.versions.items() if m == model and v.attempt == attempt), None)

    def list(self, model: str) -> list[ModelVersion]:
        return sorted((v for (m, _), v in self.versions.items() if m == model), key=lambda v: -v.number)

    def using_snapshot(self, snapshot: str) -> list[ModelVersion]:
        return [v for v in self.versions.values() if v.recipe.snapshot_digest == snapshot]

    def set_alias(self, model: str, alias: str, number: int | None, *events: Event) -> None:
        if self.crash_on == "set_alias":
            raise Crash
        if number is None:
            self.by_alias.pop((model, alias), None)
        else:
            self.by_alias[model, alias] = number
        self._tell(events)

    def aliases(self, model: str) -> dict[str, int]:
        return {a: n for (m, a), n in self.by_alias.items() if m == model}


class Snapshots:
    def put(self, snapshot: Snapshot) -> None: ...

    def get(self, digest: str) -> Snapshot:
        if digest != SNAPSHOT.digest:
            raise NotFound(digest)
        return SNAPSHOT

    def list(self, model: str) -> list[Snapshot]:
        return [SNAPSHOT]


class FakeRuns:
    def get(self, run_id: str) -> Run:
        return Run(run_id, "flights", RunStatus.FINISHED, NOW)


class FakeBlobs:
    def __init__(self) -> None:
        self.held: dict[str, bytes] = {"pkl": b"model", "onnx": b"compiled"}

    def has(self, digest: str) -> bool:
        return digest in self.held

    def get(self, digest: str) -> bytes:
        if digest not in self.held:
            raise NotFound(digest)
        return self.held[digest]


APPLIED = AppliedModel(
    "flights", 1, "{}", "spec", CodeTree("model.py", {}, "code", "/root"), EnvironmentLock("", "3.11", "env"), NOW
)


def trained(run: str = "run-1", model: str = "flights") -> Trained:
    return Trained(
        model=model,
        run=run,
        recipe=Recipe("spec", "code", SNAPSHOT.digest, "env", {"depth": 3}, 0),
        artifacts={"model.pkl": "pkl", "model.onnx": "onnx"},
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
    return RegistryService(store, Snapshots(), FakeRuns(), FakeBlobs(), Clock())  # type: ignore[arg-type]


@pytest.fixture
def register(registry: RegistryService) -> Callable[..., ModelVersion]:
    def one(attempt: str, parent: int | None = None) -> ModelVersion:
        return registry.register(APPLIED, trained(f"run-{attempt}"), attempt, NOW, parent)

    return one


def test_register(store: Store, register: Callable[..., ModelVersion]) -> None:
    version = register("a-1")
    assert (version.number, version.run, version.threshold, version.code_root) == (1, "run-a-1", 0.3, "/root")
    assert version.recipe_digest == version.recipe.digest
    assert store.aliases("flights") == {"challenger": 1}
    (event,) = store.events
    assert event.payload == VersionRegistered("a-1", 1, "run-a-1", version.recipe_digest, version.artifact_digest)
    assert register("a-1") == version
    assert len(store.events) == 1
    assert register("a-2", 1).parent == 1
    assert store.aliases("flights") == {"challenger": 2}


def test_a_crash_before_the_event_leaves_nothing_untold(store: Store, register: Callable[..., ModelVersion]) -> None:
    store.crash_on = "set_alias"
    with pytest.raises(Crash):
        register("a-1")
    assert store.events == []
    store.crash_on = ""
    assert register("a-1").number == 1
    assert len(store.events) == 1
    assert store.aliases("flights") == {"challenger": 1}


def test_numbers_are_never_shared(store: Store, register: Callable[..., ModelVersion]) -> None:
    first = register("a-1")
    store.rival = replace(first, number=2, attempt="other")
    assert register("a-2").number == 3


def test_artifacts_must_be_stored(registry: RegistryService) -> None:
    lost = replace(trained(), artifacts={"model.pkl": "gone"})
    with pytest.raises(NotFound, match=r"artifact model\.pkl"):
        registry.register(APPLIED, lost, "a-1", NOW)


def test_judge(store: Store, registry: RegistryService, register: Callable[..., ModelVersion]) -> None:
    report = GateReport(Verdict.PASS, (), 9)
    version = registry.judge(register("a-1"), report, None)
    assert version.gates == report == registry.get("flights", 1).gates
    registry.judge(version, report, None)
    registry.judge(version, report, 4)
    payloads = [e.payload for e in store.events if isinstance(e.payload, GatesEvaluated)]
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
    assert [v.number for v in registry.trained_on(SNAPSHOT.digest)] == [1, 2]
    assert [v.number for v in registry.versions("flights")] == [2, 1]


def test_verify(registry: RegistryService, register: Callable[..., ModelVersion]) -> None:
    version = register("a-1")
    registry.verify(version)
    with pytest.raises(CorruptData):
        registry.verify(replace(version, artifacts={"model.pkl": "onnx"}))
    with pytest.raises(CorruptData):
        registry.verify(replace(version, recipe=replace(version.recipe, seed=9)))
