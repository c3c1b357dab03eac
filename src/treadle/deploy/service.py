"""Changes which version answers: the record first, then the routing table, then the gateways' word for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from treadle.deploy import rollouts
from treadle.deploy.rollouts import Action, Decision, Evidence
from treadle.deploy.routing import Locate, VersionFiles, VersionKey, routed, routing_table
from treadle.domain.deployments import Deployment, RoutingTable, ServedModel
from treadle.domain.errors import Conflict, InvalidInput, TreadleError
from treadle.domain.events import (
    Event,
    Payload,
    RolloutStarted,
    RolloutStepped,
    RoutingChanged,
    VersionPromoted,
    VersionRolledBack,
)
from treadle.domain.gates import GateReport
from treadle.domain.versions import ModelVersion
from treadle.ports.clock import Clock
from treadle.ports.deployments import Deployments, Routing
from treadle.ports.versions import Versions
from treadle.spec.expressions import RolloutStep

logger = logging.getLogger("treadle.deploy")

CHAMPION, CHALLENGER = "champion", "challenger"
ANYBODY = 0
"""Whichever version answers at present; versions count from 1."""


class DeployService:
    """Desired serving state of all models.

    Every change is made in the same order: the deployment's record with its events in one transaction, the aliases,
    the routing table, and then waiting until the gateways serve it. A crash anywhere in between is healed by
    :meth:`publish`, which a start calls. One process at a time owns the routing table.
    """

    def __init__(
        self,
        deployments: Deployments,
        routing: Routing,
        versions: Versions,
        clock: Clock,
        locate: Locate,
        *,
        ack_timeout: float = 30.0,
    ) -> None:
        self._deployments = deployments
        self._routing = routing
        self._versions = versions
        self._clock = clock
        self._locate = locate
        self._ack_timeout = ack_timeout
        self._lock = threading.RLock()

    def deployment(self, model: str) -> Deployment:
        """The deployment; an empty one of revision 0 before the first promotion."""
        return self._deployments.get(model) or Deployment(model, 0, None, None, None)

    def promote(
        self, model: str, version: int, reason: str, actor: str = "loop", *, over: int | None = ANYBODY
    ) -> Deployment:
        """Give ``version`` all traffic at once. Promoting the champion again changes nothing (but heals the table).

        ``over`` is the champion that it was judged beside, where the caller decided a while ago. Raises NotFound for an
        unknown version or missing files, before anything has changed, and Conflict while another version is being
        rolled out, where another than ``over`` answers by now or somebody changed the deployment meanwhile.
        """
        with self._lock:
            self._versions.get(model, version)
            before = self.deployment(model)
            if before.champion == version and rollouts.under_way(before) is None:
                self.publish()
                return before
            _expect(before, over)
            after = rollouts.promoted(before, version, self._clock.now(), reason)
            return self._change(after, VersionPromoted(version, before.champion, reason), actor)

    def drive(
        self,
        model: str,
        version: int,
        steps: Sequence[RolloutStep],
        evidence: Evidence | None = None,
        actor: str = "loop",
        *,
        immediate: bool = False,
        at_step: int | None = None,
        over: int | None = ANYBODY,
    ) -> tuple[Deployment, Decision]:
        """Do the next thing on ``version``'s way through the declared steps, and tell what it was.

        Safe to call over and over. ``at_step`` names the step that the caller's evidence is about: where the rollout is
        at another one by now, or has ended, nothing is done. ``over`` counts where one is to begin. Raises as
        :meth:`promote` does.
        """
        with self._lock:
            self._versions.get(model, version)
            before = self.deployment(model)
            now = self._clock.now()
            if before.champion == version and rollouts.under_way(before) is None:
                self.publish()
                return before, Decision(Action.HOLD, len(steps), f"version {version} is champion already")
            present = rollouts.under_way(before)
            if at_step is not None and (present is None or present.step != at_step):
                self.publish()
                return before, Decision(Action.HOLD, at_step, f"step {at_step + 1} is over already")
            if present is None:
                _expect(before, over)
            decision = rollouts.next_action(steps, before, version, now, evidence, immediate=immediate)
            after = rollouts.apply(decision, steps, before, version, now)
            if after.revision == before.revision:
                return before, decision
            report = evidence.report if evidence is not None else None
            return self._change(after, _told(decision, version, before.champion, report), actor), decision

    def pause(self, model: str, reason: str, actor: str = "loop") -> Deployment:
        """Let the rollout under way stand still; traffic stays as it is. Raises Conflict without one."""
        with self._lock:
            before = self.deployment(model)
            return self._stand(before, rollouts.paused(before, reason), "paused", actor)

    def resume(self, model: str, reason: str, actor: str = "loop") -> Deployment:
        """Let a paused rollout go on; its step's time begins anew. Raises Conflict without one under way."""
        with self._lock:
            before = self.deployment(model)
            return self._stand(before, rollouts.resumed(before, self._clock.now(), reason), "resumed", actor)

    def _stand(self, before: Deployment, after: Deployment, action: str, actor: str) -> Deployment:
        rollout = after.rollout
        if after.revision != before.revision and rollout is not None:
            told = RolloutStepped(rollout.version, rollout.step, action, rollout.reason)
            self._deployments.put(after, _event(after, told, self._clock.now(), actor))
        return after

    def abort(self, model: str, reason: str, actor: str = "loop") -> Deployment:
        """End the rollout under way; all traffic stays with the champion. Without one, nothing changes."""
        with self._lock:
            before = self.deployment(model)
            after = rollouts.aborted(before, self._clock.now(), reason)
            ended = after.rollout
            if after.revision == before.revision or ended is None:
                return before
            return self._change(after, RolloutStepped(ended.version, ended.step, "aborted", reason), actor)

    def rollback(
        self, model: str, reason: str, actor: str = "loop", to: int | None = None, *, version: int | None = None
    ) -> Deployment:
        """Let the version answer again that was champion before, or the version ``to``; no change where it does.

        ``version`` names the champion that is to be taken back, where the caller decided on it a while ago.
        Raises Conflict, with what to do, where there is nothing to go back to or another version than ``version``
        answers by now, and NotFound for an unknown ``to``.
        """
        with self._lock:
            before = self.deployment(model)
            if to is not None and before.champion == to and rollouts.under_way(before) is None:
                self.publish()
                return before
            if version is not None and before.champion != version:
                raise Conflict(
                    f"version {version} of {model!r} does not answer any more, version {before.champion} does",
                    hint="look at what was promoted meanwhile: treadle status",
                )
            after = rollouts.rolled_back(before, self._clock.now(), reason, to)
            if after.champion is None or before.champion is None:  # rolled_back has refused this
                raise InvalidInput(f"{model!r} has no champion", hint="promote a version first")
            self._versions.get(model, after.champion)
            return self._change(after, VersionRolledBack(before.champion, after.champion, reason), actor)

    def publish(self) -> RoutingTable:
        """Bring aliases and the routing table into line with the deployments; safe to call at any time.

        The table keeps its revision where nothing changed. A model whose files cannot be found keeps the line that
        it had, so that it does not hold up the others.
        """
        with self._lock:
            deployments = self._deployments.all()
            for deployment in deployments:
                self._align_aliases(deployment)
            return self._publish(self._table(deployments, None))

    def heal(self, timeout: float) -> RoutingTable:
        """:meth:`publish`, and wait at most ``timeout`` seconds until the gateways that run serve it."""
        table = self.publish()
        if not self._routing.wait_for(table.revision, timeout):
            logger.warning("not every gateway serves routing revision %d after %g s", table.revision, timeout)
        return table

    def _change(self, after: Deployment, payload: Payload, actor: str) -> Deployment:
        """Record, publish, wait. ``after`` has been decided on already."""
        others = [d for d in self._deployments.all() if d.model != after.model]
        table = self._table([*others, after], after.model)
        now = self._clock.now()
        payloads = [payload]
        if after.champion is not None:
            payloads.append(RoutingChanged(table.revision, after.champion))
        self._deployments.put(after, *(_event(after, each, now, actor) for each in payloads))
        self._align_aliases(after)
        table = self._publish(table)
        if not self._routing.wait_for(table.revision, self._ack_timeout):
            logger.warning(
                "%s: not every gateway serves routing revision %d after %g s; they switch when they can",
                after.model,
                table.revision,
                self._ack_timeout,
            )
        return after

    def _align_aliases(self, deployment: Deployment) -> None:
        aliases = self._versions.aliases(deployment.model)
        if deployment.champion is not None and aliases.get(CHAMPION) != deployment.champion:
            self._versions.set_alias(deployment.model, CHAMPION, deployment.champion)
        if CHALLENGER in aliases and aliases[CHALLENGER] == deployment.champion:
            self._versions.set_alias(deployment.model, CHALLENGER, None)

    def _publish(self, table: RoutingTable) -> RoutingTable:
        present = self._routing.read()
        if present.revision and present.models == table.models:
            return present
        self._routing.publish(replace(table, revision=present.revision + 1))
        return replace(table, revision=present.revision + 1)

    def _table(self, deployments: Sequence[Deployment], changing: str | None) -> RoutingTable:
        """The table that the deployments ask for. Raises for the model that is ``changing`` alone."""
        present = self._routing.read()
        kept = {line.model: line for line in present.models}
        lines: list[ServedModel] = []
        for deployment in sorted(deployments, key=lambda d: d.model):
            try:
                versions, files = self._located(deployment)
                lines += routing_table([deployment], versions, files, 0).models
            except TreadleError as error:
                if deployment.model == changing:
                    raise
                logger.warning("%s: its line of the routing table stays as it was: %s", deployment.model, error)
                lines += [kept[deployment.model]] if deployment.model in kept else []
        models = tuple(lines)
        same = present.revision and models == present.models
        return RoutingTable(present.revision if same else present.revision + 1, models)

    def _located(self, deployment: Deployment) -> tuple[dict[VersionKey, ModelVersion], dict[VersionKey, VersionFiles]]:
        answering = {(deployment.model, route.version) for route in deployment.routes}
        versions = {key: self._versions.get(*key) for key in routed([deployment])}
        return versions, {key: self._locate(version) for key, version in versions.items() if key in answering}


def _expect(deployment: Deployment, champion: int | None) -> None:
    if champion not in (ANYBODY, deployment.champion):
        raise Conflict(
            f"version {deployment.champion} of {deployment.model!r} answers by now, not {champion or 'none'}",
            hint="what was decided beside another champion is decided anew",
        )


def _event(deployment: Deployment, payload: Payload, now: datetime, actor: str) -> Event:
    kind = type(payload).kind
    return Event(deployment.model, now, payload, actor, once=f"{kind}:{deployment.revision}")


def _told(decision: Decision, version: int, champion: int | None, report: GateReport | None) -> Payload:
    match decision.action:
        case Action.START:
            return RolloutStarted(version, champion, decision.reason)
        case Action.PROMOTE:
            return VersionPromoted(version, champion, decision.reason)
        case Action.ABORT:
            return RolloutStepped(version, decision.step, "aborted", decision.reason, report)
        case _:
            return RolloutStepped(version, decision.step, "advanced", decision.reason, report)
