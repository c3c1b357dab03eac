"""From state and time to commands. Pure: no clock, no store, no randomness.

Every command can be carried out twice without harm; ``id`` names it, so that one under way is not started again. A
model has three lanes, ``train``, ``watch`` and ``rollout``, each with at most one command at a time: a training that
takes hours stops neither monitoring nor a rollout.

One rollout is under way at a time. Until it has ended no training is asked for but by hand or for new code, and what
such a training makes waits, to be judged beside the champion of then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from treadle.deploy.rollouts import PATIENCE, Action, Evidence, lasts, step_action
from treadle.domain.gates import GateReport, GateResult, Verdict
from treadle.loop.state import Attempt, ModelState, backoff, broken
from treadle.spec.expressions import Age, GateBroken, When
from treadle.spec.model_spec import ModelSpec


@dataclass(frozen=True)
class RequestTraining:
    """Ask for a new version, of what is known at ``as_of``."""

    lane: ClassVar[str] = "train"
    model: str
    attempt: str
    trigger: str
    reason: str
    as_of: datetime
    revision: int
    tune: int = 0


@dataclass(frozen=True)
class Train:
    """Carry an attempt out."""

    lane: ClassVar[str] = "train"
    model: str
    attempt: Attempt


@dataclass(frozen=True)
class Judge:
    """Hold a candidate against its gates, beside the champion."""

    lane: ClassVar[str] = "train"
    model: str
    version: int
    champion: int | None


@dataclass(frozen=True)
class Promote:
    """Give a version all traffic, in the place of ``champion``, beside which it was judged."""

    lane: ClassVar[str] = "train"
    model: str
    version: int
    reason: str
    champion: int | None


@dataclass(frozen=True)
class Refuse:
    """Let a candidate go, with the reason."""

    lane: ClassVar[str] = "train"
    model: str
    version: int
    reason: str


@dataclass(frozen=True)
class Watch:
    """Take in outcomes known by ``until`` and measure realised quality, drift and service health.

    ``shadow`` is what mirrored requests said last of the version that is being rolled out.
    """

    lane: ClassVar[str] = "watch"
    model: str
    since: datetime | None
    until: datetime
    version: int
    shadow: GateReport | None = None


@dataclass(frozen=True)
class RollBack:
    """Return to the previous version, with the reason."""

    lane: ClassVar[str] = "watch"
    model: str
    version: int
    to: int
    reason: str


@dataclass(frozen=True)
class Drive:
    """Do what is due on a version's way towards all traffic.

    ``step`` is the one that it is at, None to begin; ``champion`` is the version that it takes the place of.
    """

    lane: ClassVar[str] = "rollout"
    model: str
    version: int
    step: int | None
    action: Action
    evidence: Evidence | None = None
    champion: int | None = None


Command = RequestTraining | Train | Judge | Promote | Refuse | Watch | RollBack | Drive


def command_id(command: Command) -> str:
    """The same for the same command, whenever it is decided on."""
    match command:
        case Train(attempt=attempt):
            detail = attempt.id
        case RequestTraining(attempt=wanted):
            detail = wanted
        case Watch(until=until):
            detail = until.isoformat()
        case Drive(version=version, step=step, action=action):
            detail = f"{version}:{'' if step is None else step}:{action.value}"
        case Judge(version=version) | Promote(version=version) | Refuse(version=version) | RollBack(version=version):
            detail = str(version)
    return f"{command.model}:{type(command).__name__}:{detail}"


def decide(state: ModelState, spec: ModelSpec, now: datetime) -> list[Command]:
    """What to do next for one model: at most one command a lane."""
    watch = _watch(state, spec, now)
    train = _train(state, spec, now)
    rollout = _drive(state, spec, now)
    if isinstance(watch, RollBack):
        rollout = None
        train = None if isinstance(train, Promote) else train
    if isinstance(watch, Watch) and now < _watch_due(state, spec, now) + spec.poll:
        # What is about to be measured may decide, and is of the champion until now; a watch that keeps failing does not
        # hold others up.
        rollout = None
        train = None if isinstance(train, Promote | RequestTraining) else train
    return [command for command in (watch, train, rollout) if command is not None]


def next_due(state: ModelState, spec: ModelSpec, now: datetime) -> datetime | None:
    """When :func:`decide` may answer something new because time alone has passed."""
    times = []
    if state.champion is not None:
        times.append(_watch_due(state, spec, now))
    last = state.last_attempt
    if last is not None and state.attempt is None:
        times += [last.requested_at + t.after for t in spec.triggers if isinstance(t, Age)]
        times.append(last.requested_at + spec.spacing)
        if state.failures and state.last_attempt_ended is not None:
            times.append(state.last_attempt_ended + backoff(state.failures))
    if state.rolling is not None and state.rolling.step < len(spec.rollout):
        hold = lasts(spec.rollout[state.rolling.step])
        times += [state.rolling.step_since + hold, state.rolling.step_since + PATIENCE * hold]
    later = [t for t in times if t > now]
    return min(later, default=None)


def _train(state: ModelState, spec: ModelSpec, now: datetime) -> Command | None:
    if state.attempt is not None:
        return Train(state.name, state.attempt)
    candidate = state.candidate
    if candidate is not None:
        if candidate.report is None or (
            candidate.against != state.champion and candidate.report.verdict is Verdict.PASS
        ):
            return Judge(state.name, candidate.version, state.champion)
        if candidate.report.verdict is Verdict.PASS and (state.rolling is not None or _rolls_out(state, spec)):
            return None
        if candidate.report.verdict is Verdict.PASS:
            return Promote(state.name, candidate.version, "all gates passed", state.champion)
        return Refuse(state.name, candidate.version, candidate.report.reason())
    return _request(state, spec, now)


def _rolls_out(state: ModelState, spec: ModelSpec) -> bool:
    """Whether versions get there by steps; the first one has nobody to be compared with."""
    return state.champion is not None and bool(spec.rollout)


def _drive(state: ModelState, spec: ModelSpec, now: datetime) -> Drive | None:
    rolling, candidate = state.rolling, state.candidate
    if rolling is None:
        passed = candidate is not None and candidate.report is not None and candidate.report.verdict is Verdict.PASS
        if candidate is None or not passed or not _rolls_out(state, spec) or candidate.against != state.champion:
            return None
        return Drive(state.name, candidate.version, None, Action.START, champion=state.champion)
    evidence = Evidence.of(rolling.report, decided=rolling.decided)
    if not spec.gates:
        evidence = Evidence(Verdict.PASS, "no gates are declared")
    decision = step_action(spec.rollout, rolling.step, rolling.step_since, now, evidence, paused=rolling.paused)
    if decision.action is Action.HOLD and (rolling.held or not decision.waiting):
        return None
    return Drive(state.name, rolling.version, rolling.step, decision.action, evidence, state.champion)


def _request(state: ModelState, spec: ModelSpec, now: datetime) -> RequestTraining | None:
    if state.revision == 0 or (state.rolling is not None and not _newly_applied(state)):
        return None
    if (
        state.failures
        and state.last_attempt_ended is not None
        and now < state.last_attempt_ended + backoff(state.failures)
        and not _newly_applied(state)
    ):
        return None
    found = _trigger(state, spec, now)
    if found is None:
        return None
    trigger, reason = found
    attempt = f"{state.name}-{state.attempts + 1:04d}"
    return RequestTraining(state.name, attempt, trigger, reason, now, state.revision)


def _newly_applied(state: ModelState) -> bool:
    return state.last_attempt is None or state.last_attempt.revision != state.revision


def _trigger(state: ModelState, spec: ModelSpec, now: datetime) -> tuple[str, str] | None:
    last = state.last_attempt
    if last is None:
        return "first", "the model was applied for the first time"
    if last.revision != state.revision:
        return "new_code", f"revision {state.revision} was applied after revision {last.revision} was trained"
    if state.champion is None and state.failures:
        return "retry", "no version answers yet and the last attempt failed"
    spaced = now >= last.requested_at + spec.spacing
    for trigger in spec.triggers:
        match trigger:
            case Age(after=after):
                if now >= last.requested_at + after:
                    return "age", f"the last training was {_days(now - last.requested_at)} ago, {trigger} is declared"
            case GateBroken():
                live = broken(state)
                if live is not None and spaced and live.at > last.requested_at:
                    return "gate_broken", f"version {live.version} on live traffic: {live.report.reason()}"
            case When():
                acted = _holds(state, str(trigger), last)
                if acted is not None and spaced:
                    return "when", f"{trigger} is true of live traffic: {acted}"
    return None


def _holds(state: ModelState, expression: str, last: Attempt) -> str | None:
    live = state.live
    if live is None or live.at <= last.requested_at:
        return None
    for result in live.triggers:
        if result.expression == expression and result.verdict is Verdict.PASS:
            return _numbers(result)
    return None


def _numbers(result: GateResult) -> str:
    value = "?" if result.value is None else f"{result.value:.4g}"
    return f"{value} on {result.rows:,} rows"


def _watch_due(state: ModelState, spec: ModelSpec, now: datetime) -> datetime:
    since = state.outcomes_until or state.promoted_at or now
    return _floor(since, spec.poll) + spec.poll


def _watch(state: ModelState, spec: ModelSpec, now: datetime) -> Command | None:
    if state.champion is None:
        return None
    live = broken(state)
    if (
        live is not None
        and state.previous is not None
        and state.previous not in state.rolled_back
        and state.promoted_at is not None
        and live.version == state.champion
        and now < state.promoted_at + spec.probation + (spec.horizon or timedelta(0))
    ):
        return RollBack(state.name, state.champion, state.previous, live.report.reason())
    if _watch_due(state, spec, now) <= now:
        shadow = state.rolling.shadow if state.rolling is not None else None
        return Watch(state.name, state.outcomes_until, _floor(now, spec.poll), state.champion, shadow)
    return None


def _floor(at: datetime, every: timedelta) -> datetime:
    """The last multiple of ``every`` since the epoch at or before ``at``, so that polls of all lives fall together."""
    seconds = every.total_seconds()
    return at - timedelta(seconds=at.timestamp() % seconds)


def _days(span: timedelta) -> str:
    return f"{span.total_seconds() / 86400:.1f} days"
