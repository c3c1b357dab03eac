"""How traffic moves from a champion to a challenger. Pure: records in, records out.

A rollout walks through the declared steps (shadow, then growing shares). A step ends when its declared time has passed
and live traffic speaks for the challenger; broken evidence ends the rollout at once, and evidence that stays open ends
it once the step has lasted three times as long as declared. Where mirrored requests have already decided for the
challenger, a canary step needs no more than its declared time. After the last step the challenger is promoted. A
deployment has at most one rollout under way, and every rollout ends.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from treadle.domain.deployments import Deployment, Rollout, RolloutState, Route
from treadle.domain.errors import Conflict
from treadle.domain.gates import GateReport, Verdict, describe
from treadle.spec.expressions import RolloutStep, ShadowStep
from treadle.spec.model_spec import ModelSpec

UNDER_WAY = (RolloutState.RUNNING, RolloutState.PAUSED)
PATIENCE = 3
"""A step whose evidence stays open lasts at most so many times what it declares."""
LIVE_DAYS = timedelta(days=5)
"""Live gates decide on this many days of matured requests or more; see :mod:`treadle.evaluation.gates`."""


class Action(enum.Enum):
    """What to do with a rollout now."""

    START = "start"
    HOLD = "hold"
    ADVANCE = "advance"
    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(frozen=True)
class Evidence:
    """What live traffic says of the challenger during the present step.

    ``decided`` is true where the paired comparison on mirrored requests has decided for it already.
    """

    verdict: Verdict
    reason: str = ""
    decided: bool = False
    report: GateReport | None = None

    @staticmethod
    def of(report: GateReport | None, *, decided: bool = False) -> Evidence:
        """From the gates' report; without one nothing has matured yet."""
        if report is None:
            return Evidence(Verdict.NOT_ENOUGH_DATA, "no request of this step has matured yet", decided)
        return Evidence(report.verdict, in_words(report), decided, report)


@dataclass(frozen=True)
class Decision:
    """An action, the step that the rollout is at once it is done (``len(steps)`` after the last), and why.

    ``waiting`` marks a hold whose declared time is over, while the evidence is still open.
    """

    action: Action
    step: int
    reason: str
    waiting: bool = False


NOBODY_LOOKED = Evidence.of(None)


def in_words(report: GateReport) -> str:
    """Every gate with its numbers, in one line."""
    return "; ".join(describe(result) for result in report.results) or "no gates are declared"


def under_way(deployment: Deployment) -> Rollout | None:
    """The rollout that has not ended yet, if there is one."""
    rollout = deployment.rollout
    return rollout if rollout is not None and rollout.state in UNDER_WAY else None


def next_action(
    steps: Sequence[RolloutStep],
    deployment: Deployment,
    version: int,
    now: datetime,
    evidence: Evidence | None = None,
    *,
    immediate: bool = False,
) -> Decision:
    """What to do now on the way of ``version`` towards all traffic.

    ``immediate`` passes over the remaining steps (but not over failed evidence, nor over a pause). The first version
    of a model has nobody to be compared with and is promoted at once. For a rollout under way see :func:`step_action`.
    Raises Conflict while another version's rollout is under way.
    """
    rollout = under_way(deployment)
    if rollout is not None and rollout.version != version:
        raise _busy(deployment, rollout)
    if rollout is not None and not immediate:
        halted = rollout.state is RolloutState.PAUSED
        return step_action(steps, rollout.step, rollout.step_started_at, now, evidence, paused=halted)
    step = rollout.step if rollout is not None else 0
    if evidence is not None and evidence.verdict is Verdict.FAIL:
        return Decision(Action.ABORT, step, evidence.reason or "a gate failed on live traffic")
    if rollout is not None and rollout.state is RolloutState.PAUSED:
        return Decision(Action.HOLD, step, rollout.reason or "paused")
    if immediate or deployment.champion is None or not steps:
        why = "promotion was asked for at once" if immediate else "there is nothing to move traffic from"
        return Decision(Action.PROMOTE, len(steps), why if steps else "no rollout steps are declared")
    return Decision(Action.START, 0, f"{_name(steps, 0)}; {len(steps)} steps lie ahead")


def step_action(
    steps: Sequence[RolloutStep],
    step: int,
    entered: datetime,
    now: datetime,
    evidence: Evidence | None = None,
    *,
    paused: bool = False,
) -> Decision:
    """What to do with a rollout that has been at ``step`` since ``entered``, by the rules at the head of this module.

    A paused one only ends by evidence that failed. ``evidence`` is None where nobody has looked yet.
    """
    seen = evidence if evidence is not None else NOBODY_LOOKED
    if seen.verdict is Verdict.FAIL:
        return Decision(Action.ABORT, step, seen.reason or "a gate failed on live traffic")
    if paused:
        return Decision(Action.HOLD, step, "paused")
    if step >= len(steps):
        return Decision(Action.PROMOTE, len(steps), "all steps are done")
    name, hold = _name(steps, step), lasts(steps[step])
    if now - entered < hold:
        return Decision(Action.HOLD, step, f"{name} lasts for another {hold - (now - entered)}")
    if seen.verdict is Verdict.PASS or seen.decided:
        why = seen.reason if seen.verdict is Verdict.PASS else f"mirrored requests have decided; {seen.reason}"
        if step + 1 >= len(steps):
            return Decision(Action.PROMOTE, len(steps), f"{name} is done: {why}")
        return Decision(Action.ADVANCE, step + 1, f"{name} is done: {why}")
    if now - entered < PATIENCE * hold:
        until = f"until {entered + PATIENCE * hold:%Y-%m-%d %H:%M} at most"
        return Decision(Action.HOLD, step, f"{name} goes on, {until}: {seen.reason}", waiting=True)
    return Decision(Action.ABORT, step, f"not enough data after {PATIENCE} times the time of {name}: {seen.reason}")


def lasts(step: RolloutStep) -> timedelta:
    """How long a step is declared to last."""
    return step.duration if isinstance(step, ShadowStep) else step.hold


def too_short(steps: Sequence[RolloutStep], horizon: timedelta | None) -> str | None:
    """Why a declared shadow can never decide, with what to write instead; None where it can."""
    if horizon is None:
        return None
    needed = horizon + LIVE_DAYS
    enough = -(-needed // timedelta(days=PATIENCE))
    for step in steps:
        if isinstance(step, ShadowStep) and PATIENCE * step.duration < needed:
            return (
                f"a shadow of {_days(step.duration)} is over after {_days(PATIENCE * step.duration)} at most, before "
                f"any comparison can decide: outcomes take {_days(horizon)} to mature, and gates ask for "
                f"{_days(LIVE_DAYS)} of them on live traffic. Every challenger would be aborted; declare "
                f"shadow(days({enough})) or longer"
            )
    return None


def cannot_share(champion: ModelSpec, challenger: ModelSpec) -> str | None:
    """Why requests made for one version cannot be answered by the other too; None where they can.

    Requests are checked against the champion's schema, so that is where the challenger's columns must be.
    """
    if champion.task != challenger.task:
        return f"the label of the champion is {champion.task}, that of the challenger {challenger.task}"
    there = {column.name: (column.type, column.zone) for column in champion.features_in}
    wrong = [c.name for c in challenger.features_in if there.get(c.name) != (c.type, c.zone)]
    return f"requests for the champion do not carry its {', '.join(wrong)}" if wrong else None


def routes_at(step: RolloutStep, champion: int | None, version: int) -> tuple[Route, ...]:
    """Who answers during a step. Weights of routes that are not shadows sum to 100."""
    if champion is None or champion == version:
        return (Route(version, 100.0),)
    if isinstance(step, ShadowStep):
        return (Route(champion, 100.0), Route(version, 0.0, shadow=True))
    share = min(max(step.percent, 0.0), 100.0)
    shared = (Route(champion, 100.0 - share), Route(version, share))
    return tuple(route for route in shared if route.weight > 0)


def apply(
    decision: Decision, steps: Sequence[RolloutStep], deployment: Deployment, version: int, now: datetime
) -> Deployment:
    """The deployment after a decision; unchanged (the same revision) where the decision is to hold."""
    match decision.action:
        case Action.HOLD:
            return deployment
        case Action.START | Action.ADVANCE:
            rollout = under_way(deployment)
            started = rollout.started_at if rollout is not None else now
            moved = Rollout(
                version, deployment.champion, RolloutState.RUNNING, decision.step, started, now, decision.reason
            )
            routes = routes_at(steps[decision.step], deployment.champion, version)
            return replace(deployment, revision=deployment.revision + 1, routes=routes, rollout=moved)
        case Action.PROMOTE:
            return promoted(deployment, version, now, decision.reason, step=decision.step)
        case Action.ABORT:
            return aborted(deployment, now, decision.reason)


def promoted(deployment: Deployment, version: int, now: datetime, reason: str, *, step: int = 0) -> Deployment:
    """The deployment with ``version`` as its champion, taking all traffic.

    Raises Conflict while another version's rollout is under way.
    """
    rollout = under_way(deployment)
    if rollout is not None and rollout.version != version:
        raise _busy(deployment, rollout)
    started = rollout.started_at if rollout is not None else now
    entered = rollout.step_started_at if rollout is not None else now
    return Deployment(
        model=deployment.model,
        revision=deployment.revision + 1,
        champion=version,
        previous=deployment.champion,
        promoted_at=now,
        routes=(Route(version, 100.0),),
        rollout=Rollout(version, deployment.champion, RolloutState.PROMOTED, step, started, entered, reason),
    )


def aborted(deployment: Deployment, now: datetime, reason: str) -> Deployment:
    """The deployment with its rollout ended and all traffic with the champion; unchanged where none is under way."""
    rollout = under_way(deployment)
    if rollout is None:
        return deployment
    ended = replace(rollout, state=RolloutState.ABORTED, step_started_at=now, reason=reason)
    routes = () if deployment.champion is None else (Route(deployment.champion, 100.0),)
    return replace(deployment, revision=deployment.revision + 1, routes=routes, rollout=ended)


def paused(deployment: Deployment, reason: str) -> Deployment:
    """The deployment with its rollout standing still, traffic as it is; unchanged where it is paused already.

    Raises Conflict without a rollout under way.
    """
    rollout = _needed(deployment)
    if rollout.state is RolloutState.PAUSED:
        return deployment
    halted = replace(rollout, state=RolloutState.PAUSED, reason=reason)
    return replace(deployment, revision=deployment.revision + 1, rollout=halted)


def resumed(deployment: Deployment, now: datetime, reason: str) -> Deployment:
    """The deployment with its paused rollout going on; the step's time begins anew, what it has shown stays.

    Unchanged where it is not paused. Raises Conflict without a rollout under way.
    """
    rollout = _needed(deployment)
    if rollout.state is RolloutState.RUNNING:
        return deployment
    running = replace(rollout, state=RolloutState.RUNNING, step_started_at=now, reason=reason)
    return replace(deployment, revision=deployment.revision + 1, rollout=running)


def rolled_back(deployment: Deployment, now: datetime, reason: str, to: int | None = None) -> Deployment:
    """The deployment with an earlier version answering again. A rollout under way ends with it.

    ``to`` is the version that was champion before, unless named. There is nothing to go back to after that, until the
    next promotion. Raises Conflict where there is nothing to go back to.
    """
    target = deployment.previous if to is None else to
    if deployment.champion is None:
        raise Conflict(
            f"no version of {deployment.model!r} answers yet, so there is nothing to roll back",
            hint=f"promote one first: treadle promote {deployment.model} VERSION",
        )
    if target is None:
        raise Conflict(
            f"version {deployment.champion} of {deployment.model!r} has no version before it to go back to",
            hint=f"name the version: treadle rollback {deployment.model} --to VERSION; "
            f"treadle versions {deployment.model} lists them",
        )
    if target == deployment.champion:
        raise Conflict(
            f"version {target} of {deployment.model!r} answers already",
            hint="name another version to go back to",
        )
    ended = Rollout(deployment.champion, target, RolloutState.ROLLED_BACK, 0, now, now, reason)
    return Deployment(
        model=deployment.model,
        revision=deployment.revision + 1,
        champion=target,
        previous=None,
        promoted_at=now,
        routes=(Route(target, 100.0),),
        rollout=ended,
    )


def _name(steps: Sequence[RolloutStep], step: int) -> str:
    one = steps[step]
    what = "shadow" if isinstance(one, ShadowStep) else f"canary {one.percent:g} %"
    return f"step {step + 1} of {len(steps)} ({what})"


def _busy(deployment: Deployment, rollout: Rollout) -> Conflict:
    return Conflict(
        f"version {rollout.version} of {deployment.model!r} is being rolled out (step {rollout.step + 1}, "
        f"{rollout.state.value})",
        hint="wait until it ends, or abort it first; a deployment has one rollout at a time",
    )


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):g} days"


def _needed(deployment: Deployment) -> Rollout:
    rollout = under_way(deployment)
    if rollout is None:
        raise Conflict(
            f"no version of {deployment.model!r} is being rolled out",
            hint="a rollout starts when a challenger has passed its gates: treadle train",
        )
    return rollout
