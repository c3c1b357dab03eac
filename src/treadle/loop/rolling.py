"""Rollouts as the loop carries them out: what live traffic says of a challenger, and the step that follows."""

from __future__ import annotations

import logging
from datetime import datetime

from treadle.deploy.rollouts import Action, cannot_share, in_words, under_way
from treadle.domain.deployments import Deployment
from treadle.domain.events import Event, RolloutExamined, RolloutStepped
from treadle.domain.gates import GateReport
from treadle.loop.decide import Drive
from treadle.loop.figures import figures_of
from treadle.loop.stages import Stages
from treadle.spec.model_spec import ModelSpec

logger = logging.getLogger("treadle.loop")


def examine(stages: Stages, deployment: Deployment, until: datetime, seen: GateReport | None) -> None:
    """Tell what the matured requests until ``until`` say of the version that is being rolled out, if there is one.

    ``seen`` is what mirrored requests said last. Doing it twice for the same ``until`` tells it once.
    """
    rollout = under_way(deployment)
    if rollout is None or deployment.champion is None:
        return
    model, since = deployment.model, rollout.started_at
    challenger = stages.registry.get(model, rollout.version)
    champion = stages.registry.get(model, deployment.champion)
    service = figures_of(challenger.compilation)
    shadow = any(route.shadow for route in deployment.routes)
    if shadow:
        report = stages.monitor.compare_shadow(challenger, champion, since, until, service=service)
    else:
        report = stages.monitor.own_answers(challenger, since, until, shadow=seen, service=service)
    if report is None:
        return
    told = RolloutExamined(rollout.version, rollout.step, shadow, since, until, report)
    once = f"{told.kind}:{rollout.version}:{since.isoformat()}:{rollout.step}:{until.isoformat()}"
    stages.events.append(Event(model, stages.clock.now(), told, once=once))
    logger.info("%s: rollout of version %d: %s", model, rollout.version, in_words(report))


def drive(stages: Stages, command: Drive) -> None:
    """Carry out what was decided on. A version that cannot share the champion's requests is promoted at once."""
    applied = ModelSpec.from_json(stages.models.get(command.model).spec_json)
    deploy, model, version = stages.deploy, command.model, command.version
    if command.action is Action.START:
        reason = _cannot_share(stages, model, version)
        if reason is not None:
            why = f"all gates passed; no rollout, since {reason}"
            deploy.promote(model, version, why, "loop", over=command.champion)
            return
    before, decision = deploy.drive(
        model, version, applied.rollout, command.evidence, "loop", at_step=command.step, over=command.champion
    )
    rollout = under_way(before)
    if decision.action is Action.HOLD and decision.waiting and rollout is not None:
        report = command.evidence.report if command.evidence is not None else None
        told = RolloutStepped(version, rollout.step, "held", decision.reason, report)
        once = f"{told.kind}:held:{before.revision}"
        stages.events.append(Event(model, stages.clock.now(), told, once=once))
    logger.info("%s: rollout of version %d: %s, %s", model, version, decision.action.value, decision.reason)


def _cannot_share(stages: Stages, model: str, version: int) -> str | None:
    champion = stages.deploy.deployment(model).champion
    if champion is None:
        return None
    reigning, challenger = (stages.registry.get(model, number).spec_json for number in (champion, version))
    return cannot_share(ModelSpec.from_json(reigning), ModelSpec.from_json(challenger))
