"""What the loop knows of each model: a fold over its events. Pure.

Nothing here is stored: a process that starts reads all events and arrives at the same state, so that a killed
one loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from treadle.domain import events as ev
from treadle.domain.gates import GateReport, GateResult, Verdict


@dataclass(frozen=True)
class Attempt:
    """A training that was asked for."""

    id: str
    trigger: str
    reason: str
    as_of: datetime
    requested_at: datetime
    revision: int
    tune: int = 0


@dataclass(frozen=True)
class Candidate:
    """A registered version on its way through the gates.

    ``report`` is what they said last, beside the champion ``against``; ``earlier`` is all that they said, by champion.
    """

    version: int
    attempt: str
    report: GateReport | None = None
    against: int | None = None
    earlier: tuple[tuple[int | None, GateReport], ...] = ()

    def judged(self, against: int | None, report: GateReport) -> Candidate:
        """With another verdict."""
        return replace(self, report=report, against=against, earlier=(*self.earlier, (against, report)))

    def beside(self, champion: int | None) -> Candidate:
        """With the verdict beside ``champion``, where it was judged beside that one before."""
        known = dict(self.earlier).get(champion)
        return self if known is None else replace(self, report=known, against=champion)


@dataclass(frozen=True)
class Rolling:
    """A version on its way towards all traffic.

    ``report`` is what live traffic said last of the present step, ``shadow`` what mirrored requests said last;
    ``held`` tells that the step has lasted longer than declared and that this was told.
    """

    candidate: Candidate
    step: int
    since: datetime
    step_since: datetime
    paused: bool = False
    held: bool = False
    report: GateReport | None = None
    shadow: GateReport | None = None

    @property
    def version(self) -> int:
        """The version's number."""
        return self.candidate.version

    @property
    def decided(self) -> bool:
        """Whether the comparison on mirrored requests has decided for the version."""
        return self.shadow is not None and self.shadow.verdict is Verdict.PASS


@dataclass(frozen=True)
class LiveReport:
    """What the gates said of the champion on matured live traffic, last."""

    version: int
    at: datetime
    until: datetime
    report: GateReport
    triggers: tuple[GateResult, ...] = ()


@dataclass(frozen=True)
class ModelState:
    """One model as the loop sees it.

    ``attempt`` is the training under way; ``candidate`` the version that it made, until it is rolled out, promoted or
    refused; ``rolling`` the one that is being rolled out.
    ``failures`` counts attempts in a row that ended without a version. ``outcomes_until`` and ``evaluated_until``
    tell how far outcomes and realised quality have been taken in.
    """

    name: str
    revision: int = 0
    applied_at: datetime | None = None
    attempts: int = 0
    attempt: Attempt | None = None
    last_attempt: Attempt | None = None
    last_attempt_ended: datetime | None = None
    failures: int = 0
    candidate: Candidate | None = None
    rolling: Rolling | None = None
    champion: int | None = None
    previous: int | None = None
    promoted_at: datetime | None = None
    rolled_back: frozenset[int] = frozenset()
    outcomes_until: datetime | None = None
    live: LiveReport | None = None


State = Mapping[str, ModelState]


@dataclass(frozen=True)
class LoopState:
    """All models, and the position of the last event folded in."""

    position: int = 0
    models: dict[str, ModelState] = field(default_factory=dict)

    def fold(self, sealed: Iterable[ev.SealedEvent]) -> LoopState:
        """The state after more events, which must follow on from ``position``."""
        models = dict(self.models)
        position = self.position
        for item in sealed:
            event = item.event
            state = models.get(event.model, ModelState(event.model))
            evolved = evolve(state, event)
            if evolved is not state:
                models[event.model] = evolved
            position = item.position
        return LoopState(position, models)


def evolve(state: ModelState, event: ev.Event) -> ModelState:
    """The state of a model after one of its events."""
    match event.payload:
        case ev.ModelApplied() as applied:
            return replace(state, revision=applied.revision, applied_at=event.at)
        case ev.TrainingRequested() as asked:
            attempt = Attempt(
                asked.attempt, asked.trigger, asked.reason, asked.as_of, event.at, asked.revision, asked.tune
            )
            return replace(state, attempt=attempt, last_attempt=attempt, attempts=state.attempts + 1)
        case ev.TrainingFailed(attempt=failed):
            if state.attempt is None or state.attempt.id != failed:
                return state
            return replace(state, attempt=None, failures=state.failures + 1, last_attempt_ended=event.at)
        case ev.VersionRegistered() as made:
            done = state.attempt is not None and state.attempt.id == made.attempt
            return replace(
                state,
                attempt=None if done else state.attempt,
                candidate=None if made.version == state.champion else Candidate(made.version, made.attempt),
                failures=0,
                last_attempt_ended=event.at,
            )
        case ev.GatesEvaluated() as judged:
            return _judged(state, judged)
        case ev.VersionRefused(version=version):
            gone = state.candidate is not None and state.candidate.version == version
            return replace(state, candidate=None) if gone else state
        case ev.RolloutStarted() | ev.RolloutStepped() | ev.RolloutExamined() as moved:
            return _rolled_on(state, moved, event.at)
        case ev.VersionPromoted() | ev.VersionRolledBack() as switched:
            return _switched(state, switched, event.at)
        case ev.OutcomesCollected(until=until):
            latest = until if state.outcomes_until is None else max(until, state.outcomes_until)
            return replace(state, outcomes_until=latest)
        case ev.CohortEvaluated(evaluation=evaluation, report=report, triggers=triggers):
            if report is None or evaluation.version is None or evaluation.version != state.champion:
                return state
            return replace(state, live=LiveReport(evaluation.version, event.at, evaluation.until, report, triggers))
        case _:
            return state


def _judged(state: ModelState, judged: ev.GatesEvaluated) -> ModelState:
    """The state after a verdict; one on a version that is being rolled out by now is kept for later."""
    if state.candidate is not None and state.candidate.version == judged.version:
        return replace(state, candidate=state.candidate.judged(judged.against, judged.report))
    rolling = state.rolling
    if rolling is None or rolling.version != judged.version:
        return state
    said = (*rolling.candidate.earlier, (judged.against, judged.report))
    return replace(state, rolling=replace(rolling, candidate=replace(rolling.candidate, earlier=said)))


def _rolled_on(
    state: ModelState, moved: ev.RolloutStarted | ev.RolloutStepped | ev.RolloutExamined, at: datetime
) -> ModelState:
    """The state after a part of a rollout."""
    if isinstance(moved, ev.RolloutStarted):
        candidate = state.candidate
        if candidate is None or candidate.version != moved.version:
            return replace(state, rolling=Rolling(Candidate(moved.version, ""), 0, at, at))
        return replace(state, candidate=None, rolling=Rolling(candidate, 0, at, at))
    rolling = state.rolling
    if rolling is None or rolling.version != moved.version:
        return state
    if isinstance(moved, ev.RolloutExamined):
        seen = replace(rolling, report=moved.report if moved.step == rolling.step else rolling.report)
        return replace(state, rolling=replace(seen, shadow=moved.report) if moved.shadow else seen)
    match moved.action:
        case "advanced":
            moved_on = replace(rolling, step=moved.step, step_since=at, held=False, report=None)
        case "held":
            moved_on = replace(rolling, held=True)
        case "paused":
            moved_on = replace(rolling, paused=True)
        case "resumed":
            moved_on = replace(rolling, paused=False, held=False, step_since=at)
        case _:
            return replace(state, rolling=None)
    return replace(state, rolling=moved_on)


def _switched(state: ModelState, switched: ev.VersionPromoted | ev.VersionRolledBack, at: datetime) -> ModelState:
    """The state with another champion; a rollout under way has ended with it.

    The version of a rollout that a rollback ended is a candidate again, beside the champion of now.
    """
    after = replace(state, rolling=None, promoted_at=at, live=None)
    candidate = state.candidate
    if isinstance(switched, ev.VersionPromoted):
        champion = switched.version
        after = replace(after, champion=champion, previous=switched.previous)
    else:
        champion = switched.to
        rolled_back = state.rolled_back | {switched.version}
        after = replace(after, champion=champion, previous=None, rolled_back=rolled_back)
        if candidate is None and state.rolling is not None and state.rolling.version != switched.version:
            candidate = state.rolling.candidate
    if candidate is None or candidate.version == champion:
        return replace(after, candidate=None)
    return replace(after, candidate=candidate.beside(champion))


def broken(state: ModelState) -> LiveReport | None:
    """The last live report of the present champion, if a gate failed in it."""
    live = state.live
    return live if live is not None and live.report.verdict is Verdict.FAIL else None


def backoff(failures: int) -> timedelta:
    """How long to wait after ``failures`` attempts in a row without a version: 1, 2, 4 ... hours, at most a week."""
    return min(timedelta(hours=2 ** min(failures - 1, 8)), timedelta(days=7)) if failures > 0 else timedelta(0)
