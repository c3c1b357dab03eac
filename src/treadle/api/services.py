"""What the control plane's routes need. ``app/`` fills it in; routes know nothing else of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from treadle.domain.deployments import Deployment
from treadle.domain.models import AppliedModel
from treadle.loop.plan import Bundle, Plan
from treadle.ports.blobs import Blobs
from treadle.ports.clock import Clock
from treadle.ports.deployments import Deployments
from treadle.ports.events import Events
from treadle.ports.models import Models
from treadle.ports.monitoring import Measurements
from treadle.ports.registered import Registered
from treadle.ports.runs import Runs
from treadle.ports.snapshots import Snapshots
from treadle.ports.steps import LogLine
from treadle.ports.tracking import Tracking
from treadle.ports.versions import Versions


class Plans(Protocol):
    """Plans and applies bundles; :class:`treadle.loop.plan.PlanService` is one."""

    def plan(self, bundle: Bundle, *, log: LogLine | None = None) -> Plan:
        """What applying would change."""
        ...

    def apply(
        self, bundle: Bundle, *, actor: str, expected: str | None = None, log: LogLine | None = None
    ) -> tuple[Plan, AppliedModel]:
        """Make the bundle the desired state. Raises Conflict for a stale plan."""
        ...


class LoopClient(Protocol):
    """How the control process talks to the loop process."""

    def advance(self, to: datetime) -> AsyncIterator[dict[str, Any]]:
        """Move the virtual clock; yields progress lines, then ``{"done": true, "now": ...}``."""
        ...

    async def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """One question, one answer. Raises the loop's error, or WorkerUnavailable while it is away.

        ``wake`` -> anything; ``status`` -> ``{"doing": [{"model", "lane", "what", "detail", "share", "seconds"}]}``;
        ``outcomes(model, records)`` -> ``{"answers": [one a record]}``; ``promote(model, version, reason, actor)`` and
        ``rollback(model, reason, actor, to)`` -> ``{"deployment": {...}}``; ``rollout(model, action, reason, actor)``,
        which pauses, resumes or aborts the one under way, the same; ``report(model)`` -> ``{"report": {...}}``;
        ``last_report(model)`` -> ``{"reckoned_at", "report"}`` as it was reckoned last, None where it never was.
        """
        ...


class Deploy(Protocol):
    """Changes which version answers."""

    async def promote(self, model: str, version: int, reason: str, actor: str) -> Deployment:
        """Give a version all traffic. Raises NotFound and Conflict."""
        ...

    async def rollback(self, model: str, reason: str, actor: str, to: int | None = None) -> Deployment:
        """Return to the version before, or to ``to``. Raises NotFound and Conflict."""
        ...


class Lineage(Protocol):
    """What a version came from, and what came of it."""

    def lineage(self, model: str, number: int) -> Mapping[str, Any]:
        """Plain data. Raises NotFound."""
        ...


@dataclass(frozen=True)
class ControlServices:
    """Ports and services for the routes.

    ``gateways`` answers what each running gateway acknowledged last, ``hosts`` are names besides the loopback ones
    under which the server may be addressed, and ``home`` is shown to people. ``blobs`` holds runs' artifacts.
    """

    models: Models
    runs: Runs
    versions: Versions
    deployments: Deployments
    snapshots: Snapshots
    measurements: Measurements
    events: Events
    tracking: Tracking
    registered: Registered
    plans: Plans
    deploy: Deploy
    lineage: Lineage
    loop: LoopClient
    clock: Clock
    gateways: Callable[[], Sequence[Mapping[str, Any]]]
    version: str
    home: str
    hosts: tuple[str, ...] = ()
    blobs: Blobs | None = None
