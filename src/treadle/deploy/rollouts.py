"""How traffic moves from a champion to a challenger. Pure: records in, records out.

A rollout walks through the declared steps (shadow, then growing shares). Time moves it on, broken evidence stops
it, and after the last step the challenger is promoted. A deployment has at most one rollout under way.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from treadle.domain.deployments import Deployment, Rollout, RolloutState, Route
from treadle.domain.errors import Conflict
from treadle.domain.gates import Verdict
from treadle.spec.expressions import RolloutStep, ShadowStep

UNDER_WAY = (RolloutState.RUNNING, RolloutState.PAUSED)


class Action(enum.Enum):
    """What to do with a rollout now."""

    START = "start"
    HOLD = "hold"
    ADVANCE = "advance"
    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(frozen=True)
class Evidence:
    """What live traffic says of the challenger so far: the live gates' verdict, and their numbers in words."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Decision:
    """An action, the step that the rollout is at once it is done (``len(steps)`` after the last), and why."""

    action: Action
    step: int
    reason: str


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
    of a model has nobody to be compared with and is promoted at once. A step lasts at least as long as it declares;
    evidence that is still open does not hold it up, evidence that failed aborts it.
    Raises Conflict while another version's rollout is under way.
    """
    rollout = under_way(deployment)
    if rollout is not None and rollout.version != version:
        raise _busy(deployment, rollout)
    step = rollout.step if rollout is not None else 0
    if evidence is not None and evidence.verdict is Verdict.FAIL:
        return Decision(Action.ABORT, step, evidence.reason or "a gate failed on live traffic")
    if rollout is not None and rollout.state is RolloutState.PAUSED:
        return Decision(Action.HOLD, step, rollout.reason or "paused")
    if immediate or deployment.champion is None or not steps:
        why = "promotion was asked for at once" if immediate else "there is nothing to move traffic from"
        return Decision(Action.PROMOTE, len(steps), why if steps else "no rollout steps are declared")
    if rollout is None:
        return Decision(Action.START, 0, f"{len(steps)} steps lie ahead")
    if step >= len(steps):
        return Decision(Action.PROMOTE, len(steps), "all steps are done")
    left = rollout.step_started_at + _lasts(steps[step]) - now
    if left > timedelta(0):
        return Decision(Action.HOLD, step, f"step {step + 1} of {len(steps)} lasts for another {left}")
    if step + 1 >= len(steps):
        return Decision(Action.PROMOTE, len(steps), f"all {len(steps)} steps are done")
    return Decision(Action.ADVANCE, step + 1, f"step {step + 1} of {len(steps)} is done")


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


def _lasts(step: RolloutStep) -> timedelta:
    return step.duration if isinstance(step, ShadowStep) else step.hold


def _busy(deployment: Deployment, rollout: Rollout) -> Conflict:
    return Conflict(
        f"version {rollout.version} of {deployment.model!r} is being rolled out (step {rollout.step + 1}, "
        f"{rollout.state.value})",
        hint="wait until it ends, or abort it first; a deployment has one rollout at a time",
    )
