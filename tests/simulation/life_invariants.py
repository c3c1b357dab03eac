"""What must hold after every turn of every life."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from simulated_life import Life

from treadle.domain import events as ev
from treadle.domain.deployments import Deployment
from treadle.domain.events import Event, chain_hash, encode
from treadle.domain.gates import Verdict
from treadle.loop.state import LoopState


class Broken(AssertionError):
    """An invariant does not hold."""


def _must(holds: object, *what: Any) -> None:
    if not holds:
        raise Broken(" ".join(map(str, what)))


@dataclass
class ModelHistory:
    """What the events of one model have told so far."""

    champion: int | None = None
    asked: set[str] = field(default_factory=set)
    ended: dict[str, str] = field(default_factory=dict)
    verdicts: dict[tuple[int, int | None], Verdict] = field(default_factory=dict)
    rolling: int | None = None
    approved: set[int] = field(default_factory=set)


class Invariants:
    """Held against a life after each turn; remembers what it has seen already."""

    def __init__(self) -> None:
        self._seen = 0
        self._hash = ev.GENESIS
        self._once: Counter[tuple[str, ...]] = Counter()
        self.histories: dict[str, ModelHistory] = defaultdict(ModelHistory)
        self.counts: Counter[str] = Counter()

    def __call__(self, life: Life) -> None:
        """Raises Broken."""
        for item in life.world.store.events.read(self._seen, limit=10**6):
            expected = chain_hash(self._hash, self._seen + 1, encode(item.event))
            _must((item.position, item.hash) == (self._seen + 1, expected), "the chain breaks at", item.position)
            self._seen, self._hash = item.position, item.hash
            self._event(life, item.event)
        for name in life.state.models:
            self._model(life, name)
        self._routing(life)
        if life.turns % 8 == 0:
            self.rebuilt(life)

    def end(self, life: Life) -> None:
        """What must hold besides once everything is at rest."""
        self.rebuilt(life)
        _must(life.world.store.events.verify() == self._seen, "the chain is not whole")
        for name, history in self.histories.items():
            _must(set(history.ended) == history.asked, name, "lost attempts", history.asked - set(history.ended))
            state = life.state.models[name]
            _must(state.attempt is None, name, "is at rest with a training under way")
            made = {v.attempt: v.number for v in life.world.store.versions.list(name)}
            told = {attempt for attempt, how in history.ended.items() if how == "version"}
            _must(set(made) == told, name, "has versions that no event tells of, or none that one tells of")
            runs = Counter(run.id for run in life.world.store.runs.list(model=name, limit=10**6))
            _must(not runs or max(runs.values()) == 1, name, "has runs twice")
        kept = Counter((h.model, h.since, h.until) for m in life.state.models for h in _health(life, m))
        _must(not kept or max(kept.values()) == 1, "service health was measured twice")

    def rebuilt(self, life: Life) -> None:
        """What the loop knows is what a new one would know."""
        fresh = LoopState().fold(life.world.store.events.read(limit=10**6))
        _must(fresh == life.state, "the state that is held is not the one that events give")

    def _event(self, life: Life, event: Event) -> None:
        history, payload = self.histories[event.model], event.payload
        self.counts[payload.kind] += 1
        _must(event.at <= life.world.clock.now(), "an event of the future", event)
        _must(event.once is not None, "may be recorded twice:", event)
        for name in _identities(payload):
            self._once[event.model, *name] += 1
            _must(self._once[event.model, *name] == 1, "recorded twice:", event)
        match payload:
            case ev.TrainingRequested():
                _must(payload.as_of <= event.at, "look-ahead", payload)
                _must(set(history.ended) == history.asked, "two trainings at a time", payload)
                history.asked.add(payload.attempt)
            case ev.TrainingFailed():
                history.ended[payload.attempt] = "failure"
            case ev.VersionRegistered():
                history.ended[payload.attempt] = "version"
            case ev.GatesEvaluated():
                history.verdicts[payload.version, payload.against] = payload.report.verdict
            case ev.VersionPromoted() | ev.RolloutStarted():
                self._forward(event, history)
            case ev.VersionRolledBack():
                _must(payload.version == history.champion, "rolled back what did not answer", payload)
                _must(payload.to != payload.version, "rolled back to itself", payload)
                known = [version.number for version in life.world.store.versions.list(event.model)]
                _must(payload.to in known, "rolled back to nothing", payload)
                _must(event.actor != "loop" or payload.to in history.approved, "rolled back to what never was", payload)
                history.champion, history.rolling = payload.to, None
                history.approved.add(payload.to)
            case ev.RolloutStepped(action="aborted"):
                _must(payload.version == history.rolling, "aborted what was not under way", payload)
                history.rolling = None
            case ev.OutcomesCollected():
                _must(payload.until <= event.at, "look-ahead", payload)
            case ev.CohortEvaluated():
                _must(payload.evaluation.until <= payload.evaluation.at <= event.at, "look-ahead", payload)

    def _forward(self, event: Event, history: ModelHistory) -> None:
        payload = event.payload
        _must(isinstance(payload, ev.VersionPromoted | ev.RolloutStarted), payload)
        if not isinstance(payload, ev.VersionPromoted | ev.RolloutStarted):
            return
        _must(payload.previous == history.champion, "took the place of another than the champion", payload)
        arrives = isinstance(payload, ev.VersionPromoted) and history.rolling == payload.version
        if event.actor == "loop" and not arrives:
            verdict = history.verdicts.get((payload.version, history.champion))
            _must(verdict is Verdict.PASS, "goes on its way without all gates passed beside the champion", payload)
        if isinstance(payload, ev.RolloutStarted):
            _must(history.rolling is None, "a second rollout", payload)
            history.rolling = payload.version
        else:
            _must(history.rolling in (None, payload.version), "promoted beside a rollout", payload)
            history.champion, history.rolling = payload.version, None
        history.approved.add(payload.version)

    def _model(self, life: Life, name: str) -> None:
        history, state = self.histories[name], life.state.models[name]
        deployment = life.world.store.deployments.get(name) or Deployment(name, 0, None, None, None)
        champions = (history.champion, state.champion, deployment.champion)
        _must(len(set(champions)) == 1, name, "has several champions", champions)
        _must(state.previous == deployment.previous, name, "would be rolled back to two versions")
        if deployment.champion is None:
            _must(not deployment.routes, name, "answers without a champion")
            return
        total = sum(route.weight for route in deployment.routes if not route.shadow)
        _must(abs(total - 100) < 1e-9, name, "routes", total, "percent")
        serving = {route.version for route in deployment.routes}
        _must(serving <= history.approved, name, "serves what was never approved", serving - history.approved)
        _must(serving <= {history.champion, history.rolling}, name, "serves more than champion and challenger", serving)
        rolling = state.rolling.version if state.rolling is not None else None
        _must(rolling == history.rolling, name, "rolls out", rolling, "or", history.rolling)
        alias = life.world.store.versions.aliases(name).get("champion")
        _must(alias == deployment.champion, name, "has the alias champion on", alias, "not on", deployment.champion)
        for version in life.world.store.versions.list(name):
            _must(version.as_of <= version.created_at, "look-ahead", version)

    def _routing(self, life: Life) -> None:
        lines = {line.model: line for line in life.world.routing.read().models}
        wanted = {d.model: d.routes for d in life.world.store.deployments.all() if d.champion is not None}
        _must({m: line.routes for m, line in lines.items()} == wanted, "the routing table is not what was decided")
        for name, line in lines.items():
            served = {version.version for version in line.versions}
            _must(served == {route.version for route in line.routes}, name, "routes to what is not served")


def _health(life: Life, model: str) -> Any:
    return life.world.store.measurements.health(model)


def _identities(payload: ev.Payload) -> list[tuple[str, ...]]:
    """What may happen once to a model, whatever keys its events carry."""
    kind = payload.kind
    match payload:
        case ev.TrainingRequested():
            return [(kind, payload.attempt)]
        case ev.TrainingFailed():
            return [("ended", payload.attempt)]
        case ev.VersionRegistered():
            return [("ended", payload.attempt), ("version", str(payload.version))]
        case ev.GatesEvaluated():
            return [(kind, str(payload.version), str(payload.against))]
        case ev.VersionRefused():
            return [(kind, str(payload.version))]
        case ev.OutcomesCollected():
            return [(kind, str(payload.until))]
        case ev.CohortEvaluated():
            e = payload.evaluation
            return [(kind, str(e.version), str(e.since), str(e.until), str(e.at))]
        case ev.RolloutExamined():
            return [(kind, str(payload.version), str(payload.since), str(payload.until), str(payload.step))]
        case ev.IncidentOpened():
            return [(kind, payload.incident.id)]
        case ev.IncidentResolved():
            return [(kind, payload.incident)]
        case ev.ModelApplied():
            return [(kind, str(payload.revision))]
        case ev.RoutingChanged() | ev.VersionPromoted() | ev.VersionRolledBack() | _:
            return []
