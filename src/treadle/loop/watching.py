"""One look at a model in production: what became known, how good it was, what has moved, how the gateway fared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from treadle.deploy.rollouts import under_way
from treadle.domain.events import Event, OutcomesCollected
from treadle.domain.gates import GateReport
from treadle.domain.models import AppliedModel
from treadle.domain.versions import ModelVersion
from treadle.loop.rolling import examine
from treadle.loop.stages import Stages
from treadle.spec.model_spec import ModelSpec

LIVE_WINDOW = timedelta(days=14)
"""How far back the live gates look, from the newest matured prediction."""

DRIFT_WINDOW = timedelta(days=7)
"""The window that drift is measured on, once in as long: whole weeks, since days of the week differ by nature."""

Say = Callable[[str], None]


def watch(
    stages: Stages,
    applied: AppliedModel,
    version: ModelVersion,
    since: datetime | None,
    until: datetime,
    seen: GateReport | None = None,
    say: Say = lambda _: None,
) -> None:
    """Take in the outcomes of ``(since, until]`` and measure; ends in the event that lets the loop go on.

    ``seen`` is what mirrored requests said last of the version that is being rolled out. Doing it twice changes
    nothing.
    """
    spec = ModelSpec.from_json(applied.spec_json)
    say("taking in outcomes")
    taken = stages.monitor.collect_outcomes(applied, since, until)
    begin, end = live_cohort(stages, spec, until)
    if begin < end:
        say("measuring realised quality")
        stages.monitor.evaluate(applied, version.number, begin, end)
    deployment = stages.deploy.deployment(spec.name)
    if under_way(deployment) is not None:
        say("examining the rollout")
        examine(stages, deployment, until, seen)
    day = since if since is not None else until - spec.poll
    stages.monitor.health(spec.name, day, until)
    if due_for_drift(since, until):
        say("measuring drift")
        stages.monitor.drift(applied, version, until - DRIFT_WINDOW, until)
    if day.date() < until.date():
        say("merging files of finished days")
        stages.log.compact_finished(until.date())
    payload = OutcomesCollected(until, taken.received, taken.joined)
    stages.events.append(Event(spec.name, stages.clock.now(), payload, once=f"{payload.kind}:{until.isoformat()}"))


def live_cohort(stages: Stages, spec: ModelSpec, until: datetime) -> tuple[datetime, datetime]:
    """The matured predictions that the champion answered since its promotion, at most ``LIVE_WINDOW`` of them."""
    end = until - (spec.horizon or timedelta(0))
    promoted = stages.deploy.deployment(spec.name).promoted_at
    begin = end - LIVE_WINDOW
    return (begin if promoted is None else max(begin, promoted)), end


def due_for_drift(since: datetime | None, until: datetime) -> bool:
    """Whether a drift window ended in ``(since, until]``; windows lie on a fixed grid of weeks."""
    if since is None:
        return False
    length = DRIFT_WINDOW.total_seconds()
    return int(since.timestamp() // length) < int(until.timestamp() // length)
