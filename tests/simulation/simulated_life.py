"""One random life of the loop: real decisions, registry, deployments, incidents; simulated data, training and judges.

Everything that a life does follows from its seed. What a step makes follows from what goes in, as with steps that are
addressed by content: carried out again it makes the same. A process may die before or after any of its writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

from treadle.deploy.routing import VersionFiles
from treadle.deploy.service import DeployService
from treadle.domain.data import Profile, Snapshot
from treadle.domain.errors import (
    Conflict,
    DataRejected,
    EnvironmentFailed,
    InvalidInput,
    NotFound,
    StepFailed,
    StepTimedOut,
)
from treadle.domain.events import Event, ModelApplied, TrainingRequested
from treadle.domain.gates import GateReport, GateResult, Verdict
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.monitoring import DriftReport, Evaluation, Maturity, ServiceHealth
from treadle.domain.runs import Run, RunStatus
from treadle.domain.trainings import Trained
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.loop import decide as deciding
from treadle.loop.activity import Activity
from treadle.loop.decide import Command
from treadle.loop.executors import StageExecutor
from treadle.loop.stages import Stages
from treadle.loop.state import LoopState, ModelState
from treadle.monitor.outcomes import OutcomesTaken
from treadle.monitor.performance import LiveEvaluation
from treadle.monitor.service import MonitorService
from treadle.registry.service import RegistryService
from treadle.spec.expressions import Age, CanaryStep, GateBroken, MetricRef, RolloutStep, ShadowStep, Threshold, When
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.testing.memory import ManualClock, MemoryBlobs, MemoryRouting, MemoryStore

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GATE = Threshold(MetricRef("auc"), ">=", 0.6)
WHEN = When(Threshold(MetricRef("worth"), "<=", 0.0))

REFUSALS = (Conflict, NotFound, InvalidInput)
"""What people get who ask for something that cannot be done."""


class Crash(BaseException):
    """The process dies here."""


class NotAtRest(AssertionError):
    """The loop goes on and on."""


@dataclass
class Faults:
    """Lets a process die at one of its writes. ``left`` counts the points that it survives; None: it does not die."""

    left: int | None = None
    deaths: int = 0

    def point(self) -> None:
        """A moment between two writes."""
        if self.left is None:
            return
        if self.left == 0:
            self.left = None
            self.deaths += 1
            raise Crash
        self.left -= 1


class Mortal:
    """A store whose user may die before or after each write; what was written stays."""

    def __init__(self, store: Any, faults: Faults, *writes: str) -> None:
        self._store = store
        for name in writes:
            setattr(self, name, self._mortal(getattr(store, name), faults))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @staticmethod
    def _mortal(write: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
        def written(*args: Any, **kwargs: Any) -> Any:
            faults.point()
            answer = write(*args, **kwargs)
            faults.point()
            return answer

        return written


class Chance:
    """What comes of things, by name: the same name always has the same fate."""

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode()

    def of(self, *name: Any) -> float:
        """A number in [0, 1)."""
        text = "|".join(map(str, name)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=7, key=self._key).digest()) / 2**56

    def verdict(self, passes: float, fails: float, *name: Any) -> Verdict:
        """Pass, fail or not enough data, with these probabilities."""
        drawn = self.of(*name)
        return Verdict.PASS if drawn < passes else Verdict.FAIL if drawn < passes + fails else Verdict.NOT_ENOUGH_DATA


def report(verdict: Verdict, spec: ModelSpec) -> GateReport:
    """A report of the model's gates that says ``verdict``."""
    if not spec.gates:
        return GateReport(Verdict.PASS, (), 100)
    return GateReport(verdict, tuple(GateResult(str(gate), verdict, 0.5, rows=100) for gate in spec.gates), 100)


@dataclass
class World:
    """What outlives every process: the stores, the routing table, the clock; and what steps would make."""

    seed: int
    faults: Faults = field(default_factory=Faults)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    store: MemoryStore = field(default_factory=MemoryStore)
    routing: MemoryRouting = field(default_factory=MemoryRouting)
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    merged: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Chance(self.seed)
        self.shaky = random.Random(f"shaky {self.seed}")

    def stages(self) -> Stages:
        """The services of a new process."""
        store, faults, clock = self.store, self.faults, self.clock
        events: Any = Mortal(store.events, faults, "append")
        versions: Any = Mortal(store.versions, faults, "register", "judge", "set_alias")
        runs: Any = Mortal(store.runs, faults, "create", "finish")
        deployments: Any = Mortal(store.deployments, faults, "put")
        routing: Any = Mortal(self.routing, faults, "publish")
        measurements: Any = Mortal(
            store.measurements,
            faults,
            "put_evaluation",
            "put_drift",
            "put_health",
            "open_incident",
            "resolve_incident",
        )
        world: Any = self
        monitor = MonitorService(
            engine=world,
            blobs=world.blobs,
            log=world,
            outcomes=world,
            joined=world,
            measurements=measurements,
            versions=versions,
            clock=clock,
        )
        monitor._taker = SimpleNamespace(collect=self.taken)  # type: ignore[assignment]
        return Stages(
            models=store.models,
            events=events,
            blobs=self.blobs,
            environments=world,
            code_trees=world,
            log=world,
            data=world,
            train=_Trainer(self, runs),  # type: ignore[arg-type]
            registry=RegistryService(versions, store.snapshots, runs, self.blobs, clock),
            deploy=DeployService(deployments, routing, versions, clock, _located, ack_timeout=0.0),
            monitor=monitor,
            clock=clock,
        )

    def fails(self, what: str, *name: Any, share: float = 0.06) -> None:
        """Now and then something goes wrong that will not do so again: a full disk, a locked database."""
        if self.faults.left is not None and self.shaky.random() < share:
            raise OSError(f"no space left on device: {what} {name}")

    # the environments, code trees and data that trainings need

    def build(self, lock: EnvironmentLock, log: Any = None) -> str:
        """An environment, which now and then cannot be built."""
        self.faults.point()
        self.fails("build", lock.digest)
        if self.chance.of("environment", lock.digest) < 0.03:
            raise EnvironmentFailed("no such release", hint="choose another")
        return lock.digest

    def checkout(self, tree: CodeTree) -> str:
        """A code tree."""
        return tree.digest

    def collect(self, applied: AppliedModel, as_of: datetime, log: Any = None, cancel: Any = None) -> Any:
        """Rows as of a time; now and then they are refused, or the model's own code fails."""
        assert as_of <= self.clock.now(), "look-ahead"
        self.fails("collect", as_of)
        drawn = self.chance.of("data", applied.name, applied.revision, as_of)
        if drawn < 0.1:
            raise DataRejected("a column is negative", hint="look at it")
        if drawn < 0.15:
            raise StepFailed("source raised")
        digest = hashlib.sha256(f"{applied.name} {as_of}".encode()).hexdigest()
        snapshot = Snapshot(digest, applied.name, 100, 90, None, as_of, as_of, {}, (), Profile(100, {}), "c")
        self.faults.point()
        self.store.snapshots.put(snapshot)
        self.faults.point()
        return SimpleNamespace(frame=None, snapshot=snapshot)

    def split(self, applied: AppliedModel, frame: Any, as_of: datetime) -> Any:
        """Parts of rows."""
        return None

    def compact_finished(self, before: Any) -> int:
        """Housekeeping of the prediction log."""
        self.faults.point()
        self.merged.append(before)
        return 0

    # what monitoring would measure

    def judged(self, version: ModelVersion, champion: int | None) -> GateReport:
        """What the gates say of a version beside the champion."""
        self.fails("judge", version.number)
        if self.shaky.random() < 0.02:
            raise StepTimedOut("scoring took too long")
        return report(self.chance.verdict(0.6, 0.25, "judge", version.model, version.number, champion), _spec(version))

    def taken(self, applied: AppliedModel, since: datetime | None, until: datetime) -> OutcomesTaken:
        """What outcomes brought."""
        assert until <= self.clock.now(), "look-ahead"
        self.faults.point()
        self.fails("outcomes", until)
        drawn = self.chance.of("outcomes", applied.name, until)
        if self.shaky.random() < 0.03:
            raise StepFailed("outcomes raised")
        return OutcomesTaken(until, int(drawn * 50), int(drawn * 40))

    def evaluated(
        self, applied: AppliedModel, version: int | None, since: datetime, until: datetime, now: datetime
    ) -> LiveEvaluation:
        """Realised quality of a cohort, as known now; labels may be late."""
        assert since < until <= now <= self.clock.now(), "look-ahead"
        spec = ModelSpec.from_json(applied.spec_json)
        drawn = self.chance.of("predictions", applied.name, until)
        count = 0 if drawn < 0.1 else int(drawn * 100)
        late = self.chance.of("late", applied.name, until) < 0.2
        evaluation = Evaluation(
            applied.name, version, since, until, now, Maturity.FINAL, count, 0 if late else count, count if late else 0
        )
        if late or not count:
            return LiveEvaluation(evaluation, None)
        verdict = self.chance.verdict(0.6, 0.2, "live", applied.name, version, until)
        asked = tuple(
            GateResult(str(t), self.chance.verdict(0.1, 0.8, "when", applied.name, version, until), -0.1, rows=count)
            for t in spec.triggers
            if isinstance(t, When)
        )
        return LiveEvaluation(evaluation, report(verdict, spec), asked)

    def examined(self, version: ModelVersion, kind: str, until: datetime) -> GateReport | None:
        """What a challenger's requests say of it; None where none has matured."""
        assert until <= self.clock.now(), "look-ahead"
        if self.chance.of("matured", version.model, version.number, kind, until) < 0.3:
            return None
        verdict = self.chance.verdict(0.5, 0.1, "rollout", version.model, version.number, kind, until)
        return report(verdict, _spec(version))


@dataclass(frozen=True)
class _Trainer:
    """Training that writes its run as it goes."""

    world: World
    runs: Any

    def train(
        self,
        applied: AppliedModel,
        parts: Any,
        snapshot: Snapshot,
        *,
        run_id: str,
        attempt: str,
        progress: Callable[[str, float], None],
        **_: Any,
    ) -> Trained:
        """What an attempt makes; now and then the model's own code fails."""
        world, name = self.world, applied.name
        run = Run(run_id, name, RunStatus.RUNNING, world.clock.now(), snapshot=snapshot.digest)
        self.runs.create(run)
        world.fails("train", attempt)
        progress("fitting", 0.5)
        if world.chance.of("fit", name, attempt) < 0.1:
            self.runs.finish(replace(run, status=RunStatus.FAILED, ended_at=world.clock.now()))
            raise StepFailed("fit raised")
        world.faults.point()
        artifact = world.blobs.put(f"{name} {attempt} {snapshot.digest}".encode())
        self.runs.finish(replace(run, status=RunStatus.FINISHED, ended_at=world.clock.now()))
        recipe = Recipe(applied.spec_digest, applied.code.digest, snapshot.digest, applied.environment.digest, {}, 0)
        return Trained(
            name,
            run_id,
            recipe,
            {"model.onnx": artifact},
            (),
            0.5,
            {},
            Compilation("onnx"),
            "v",
            "t",
            "s",
            Profile(1, {}),
            Profile(1, {}),
        )


def _located(version: ModelVersion) -> VersionFiles:
    return VersionFiles(onnx_path=f"/blobs/{version.artifacts['model.onnx']}")


def _spec(version: ModelVersion) -> ModelSpec:
    return ModelSpec.from_json(version.spec_json)


@contextlib.contextmanager
def simulated() -> Iterator[None]:
    """Puts what a world says in the place of what real steps and measurements would."""

    def judge(stages: Any, version: ModelVersion, champion: int | None, *_: Any, **__: Any) -> GateReport:
        return stages.log.judged(version, champion)  # type: ignore[no-any-return]

    def evaluate(world: World, _: Any, applied: AppliedModel, *cohort: Any, **__: Any) -> LiveEvaluation:
        return world.evaluated(applied, *cohort)

    def drift(world: World, applied: Any, version: ModelVersion, since: Any, until: Any, _: Any) -> DriftReport:
        return DriftReport(applied.name, version.number, since, until, 10, ())

    def health(world: World, model: str, since: Any, until: Any, errors: int = 0) -> ServiceHealth:
        failed = 50 if world.chance.of("health", model, until) < 0.1 else 0
        return ServiceHealth(model, since, until, 100, 100, failed, 1.0, 2.0)

    def shadow(world: World, _: Any, version: ModelVersion, __: Any, ___: Any, until: Any, *_a: Any, **_k: Any) -> Any:
        return world.examined(version, "shadow", until)

    def own(world: World, _: Any, version: ModelVersion, __: Any, until: Any, *_a: Any, **_k: Any) -> Any:
        return world.examined(version, "own", until)

    service = "treadle.monitor.service"
    with (
        mock.patch("treadle.loop.executors.judge", judge),
        mock.patch(f"{service}.evaluate", evaluate),
        mock.patch(f"{service}.measure_drift", drift),
        mock.patch(f"{service}.health", health),
        mock.patch(f"{service}.challengers.compare_shadow", shadow),
        mock.patch(f"{service}.challengers.own_answers", own),
    ):
        yield


@dataclass
class UnderWay:
    """A command that was decided on and takes a while: so many turns."""

    command: Command
    turns: int


Check = Callable[["Life"], None]


class Life:
    """Lives from a seed. ``check`` is called after every turn; ``told`` hears what happens, for people.

    ``decide`` may be another function than the loop's own, to see that a broken one is found.
    """

    def __init__(
        self,
        seed: int,
        check: Check = lambda _: None,
        *,
        decide: Callable[[ModelState, ModelSpec, datetime], list[Command]] = deciding.decide,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.seed = seed
        self.world = World(seed)
        self.random = random.Random(seed)
        self.state = LoopState()
        self.turns = 0
        self._check = check
        self._decide = decide
        self._told = told
        self._under_way: dict[tuple[str, str], UnderWay] = {}
        self._setbacks: dict[str, int] = {}
        self._held_back: dict[str, int] = {}
        self._specs: dict[tuple[str, int], ModelSpec] = {}
        self._calm = False
        self._begin()

    # processes

    def _begin(self) -> None:
        """A process starts: it knows nothing but what was written, and heals what another left."""
        self._under_way.clear()
        self._setbacks.clear()
        self._held_back.clear()
        self.state = LoopState()
        self.stages = self.world.stages()
        self.executor = StageExecutor(self.stages, Activity(), threading.Event())
        self._take_in()
        self.stages.deploy.publish()

    def _reborn(self) -> None:
        """Processes start until one gets through its beginning."""
        self._told("the loop dies")
        while True:
            self.world.faults.left = self.random.randrange(8) if not self._calm and self.random.random() < 0.2 else None
            try:
                self._begin()
            except Crash:
                continue
            self.world.faults.left = None
            return

    @contextlib.contextmanager
    def _mortal(self, share: float) -> Iterator[None]:
        """In a share of cases the process dies within the block, at any of the writes that it comes to."""
        dies = not self._calm and self.random.random() < share
        self.world.faults.left = self.random.randrange(14) if dies else 10**9 if not self._calm else None
        try:
            yield
        except Crash:
            self._reborn()
        finally:
            self.world.faults.left = None

    # turns

    def turn(self) -> bool:
        """Look, decide, carry out; whether anything is under way or was to be done."""
        self.turns += 1
        self._take_in()
        now, busy = self.world.clock.now(), False
        for name in self._shuffled(self.state.models):
            state = self.state.models[name]
            for command in self._decide(state, self.spec(name, state.revision), now):
                busy = True
                self._start(command)
        for lane in self._shuffled(self._under_way):
            under_way = self._under_way.get(lane)
            if under_way is None:
                continue
            under_way.turns -= 1
            if under_way.turns <= 0:
                del self._under_way[lane]
                self._carry_out(under_way.command)
        self._take_in()
        self._check(self)
        return busy or bool(self._under_way)

    def _take_in(self) -> None:
        self.world.store.events.seal()
        while sealed := self.world.store.events.read(self.state.position):
            for item in sealed:
                self._told(f"{item.position:4} {item.event.at:%m-%d %H:%M} {item.event.model} {item.event.payload}")
            self.state = self.state.fold(sealed)

    def _start(self, command: Command) -> None:
        lane, name = (command.model, command.lane), deciding.command_id(command)
        if lane in self._under_way:
            return
        if self._held_back.get(name, 0) > 0:
            self._held_back[name] -= 1
            return
        slow = not self._calm and self.random.random() < 0.2
        self._under_way[lane] = UnderWay(command, self.random.randint(2, 5) if slow else 1)

    def _carry_out(self, command: Command) -> None:
        name = deciding.command_id(command)
        with self._mortal(0.12):
            try:
                self.executor.execute(command)
                if not self._calm and self.random.random() < 0.1:
                    self._told(f"once more: {name}")
                    self.executor.execute(command)
                self._setbacks.pop(name, None)
            except Exception as error:
                tries = self._setbacks[name] = self._setbacks.get(name, 0) + 1
                self._told(f"{name} failed (try {tries}): {error}")
                if self._calm and tries > 20:
                    raise NotAtRest(f"{name} keeps failing: {error!r}") from error
                self._held_back[name] = min(tries, 3)
                self.executor.failed(command, error, tries)

    def spec(self, name: str, revision: int) -> ModelSpec:
        """A model's declaration."""
        key = (name, revision)
        if key not in self._specs:
            self._specs[key] = ModelSpec.from_json(self.world.store.models.get(name, revision).spec_json)
        return self._specs[key]

    def _shuffled(self, names: Mapping[Any, Any]) -> list[Any]:
        found = sorted(names)
        self.random.shuffle(found)
        return found

    # what people and time do

    def live(self, happenings: int) -> None:
        """A random life, and then a calm end in which everything comes to rest."""
        self._apply("m1")
        for _ in range(happenings):
            self._something_happens()
            for _ in range(self.random.randint(1, 4)):
                self.turn()
        self._calm = True
        self.come_to_rest()
        for _ in range(2):
            if not self._on_to_what_is_due():
                break
            self.come_to_rest()

    def come_to_rest(self) -> None:
        """Turn until nothing is to be done. Raises NotAtRest where that does not happen."""
        for _ in range(150):
            if not self.turn():
                return
        under_way = [deciding.command_id(one.command) for one in self._under_way.values()]
        raise NotAtRest(f"after 150 turns there is still something to do: {under_way}")

    def _something_happens(self) -> None:
        happening = self.random.choices(
            [self._time_passes, self._on_to_what_is_due, self._somebody_acts, self._die, self._apply_again],
            [30, 40, 20, 6, 4],
        )[0]
        happening()

    def _time_passes(self) -> None:
        span = self.random.choice([timedelta(minutes=7), HOUR, 9 * HOUR, DAY, 3 * DAY, 12 * DAY, 45 * DAY])
        self.world.clock.forward(span * self.random.random())
        self._told(f"it is {self.world.clock.now():%Y-%m-%d %H:%M}")

    def _on_to_what_is_due(self) -> bool:
        now = self.world.clock.now()
        times = [
            deciding.next_due(state, self.spec(name, state.revision), now) for name, state in self.state.models.items()
        ]
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            return False
        assert due > now, f"{due} is due, but it is {now}"
        self.world.clock.set(due)
        self._told(f"it is {due:%Y-%m-%d %H:%M}, something is due")
        return True

    def _die(self) -> None:
        self._reborn()

    def _apply_again(self) -> None:
        if len(self.state.models) < 4 and self.random.random() < 0.5:
            self._apply(f"m{len(self.world.store.models.all()) + 1}")
        else:
            self._apply(self.random.choice([model.name for model in self.world.store.models.all()]))

    def _apply(self, name: str) -> None:
        known = [model for model in self.world.store.models.all() if model.name == name]
        revision = known[0].revision + 1 if known else 1
        spec, now = random_spec(name, self.random), self.world.clock.now()
        code = CodeTree("m.py", {}, f"code-{name}-{revision}", "")
        lock = EnvironmentLock("", "3.11", f"env-{name}-{revision}")
        model = AppliedModel(name, revision, spec.to_json(), spec.digest, code, lock, now)
        told = ModelApplied(revision, spec.digest, code.digest, lock.digest)
        self._told(f"{name} is applied, revision {revision}: {spec}")
        self.world.store.models.apply(model, Event(name, now, told, actor="a person", once=f"model_applied:{revision}"))

    def _somebody_acts(self) -> None:
        name = self.random.choice([model.name for model in self.world.store.models.all()])
        acts = [self._train, self._promote, self._promote, self._roll_back, self._stand_still]
        act = self.random.choice(acts)
        with self._mortal(0.15), contextlib.suppress(*REFUSALS):
            act(name)

    def _train(self, name: str) -> None:
        self._take_in()
        state = self.state.models.get(name)
        if state is None or state.attempt is not None or state.candidate is not None:
            return
        attempt, now = f"{name}-{state.attempts + 1:04d}", self.world.clock.now()
        asked = TrainingRequested(attempt, "asked", "", now, state.revision)
        self._told(f"somebody asks for a training of {name}")
        once = f"training_requested:{attempt}"
        self.stages.events.append(Event(name, now, asked, actor="a person", once=once))

    def _promote(self, name: str) -> None:
        version = self.random.randint(1, self.world.store.versions.next_number(name))
        self._told(f"somebody promotes version {version} of {name}")
        self.stages.deploy.promote(name, version, "asked for", "a person")

    def _roll_back(self, name: str) -> None:
        to = self.random.choice([None, self.random.randint(1, self.world.store.versions.next_number(name))])
        self._told(f"somebody rolls {name} back to {to or 'the version before'}")
        self.stages.deploy.rollback(name, "asked for", "a person", to=to)

    def _stand_still(self, name: str) -> None:
        act = self.random.choice(["pause", "resume", "resume", "abort"])
        self._told(f"somebody says {act} to the rollout of {name}")
        getattr(self.stages.deploy, act)(name, "asked for", "a person")


def random_spec(name: str, chance: random.Random) -> ModelSpec:
    """A declaration of any kind."""
    triggers = [Age(chance.choice([DAY, 5 * DAY, 30 * DAY])), GateBroken(), WHEN]
    steps: list[RolloutStep] = [ShadowStep(chance.choice([6 * HOUR, 2 * DAY]))]
    steps += [CanaryStep(percent, chance.choice([HOUR, DAY])) for percent in sorted(chance.sample([1, 5, 25, 60], 2))]
    return ModelSpec(
        name,
        "",
        "Row",
        (ColumnSpec("x", "float"), ColumnSpec("y", "bool")),
        "y",
        "binary",
        horizon=chance.choice([None, 6 * HOUR, 2 * DAY, 10 * DAY]),
        probation=chance.choice([DAY, 14 * DAY]),
        poll=chance.choice([HOUR, 6 * HOUR, DAY, 7 * DAY]),
        spacing=chance.choice([timedelta(0), DAY, 7 * DAY]),
        triggers=tuple(trigger for trigger in triggers if chance.random() < 0.6),
        gates=(GATE,) if chance.random() < 0.9 else (),
        rollout=tuple(steps[chance.randint(0, 1) :]) if chance.random() < 0.6 else (),
    )
