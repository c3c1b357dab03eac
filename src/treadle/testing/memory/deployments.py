"""Deployments, and the routing table of gateways that are not there."""

from __future__ import annotations

import time
from collections.abc import Sequence

from treadle.domain import codec
from treadle.domain.deployments import Deployment, RoutingTable
from treadle.domain.errors import Conflict
from treadle.domain.events import Event
from treadle.testing.memory.events import MemoryEvents


class MemoryDeployments:
    """``ports.Deployments``."""

    def __init__(self, events: MemoryEvents | None = None) -> None:
        self._events = events or MemoryEvents()
        self._deployments: dict[str, Deployment] = {}

    def get(self, model: str) -> Deployment | None:
        """The deployment, or None before the first rollout."""
        return self._deployments.get(model)

    def put(self, deployment: Deployment, *events: Event) -> None:
        """Store it. Raises Conflict unless ``deployment.revision`` is one more than the stored one (from 1)."""
        copy = codec.loads(Deployment, codec.dumps(deployment))

        def change() -> None:
            known = self._deployments.get(deployment.model)
            revision = known.revision if known is not None else 0
            if deployment.revision != revision + 1:
                raise Conflict(f"revision {deployment.revision} of {deployment.model!r} cannot follow {revision}")
            self._deployments[deployment.model] = copy

        self._events.with_change(events, change)

    def all(self) -> Sequence[Deployment]:
        """All deployments by model name."""
        return [self._deployments[model] for model in sorted(self._deployments)]


class MemoryRouting:
    """``ports.Routing``. A test says with :meth:`serve` what the gateways serve."""

    def __init__(self) -> None:
        self._table = RoutingTable(0)
        self._served: dict[str, int] = {}

    def publish(self, table: RoutingTable) -> None:
        """Replace the table."""
        self._table = codec.loads(RoutingTable, codec.dumps(table))

    def read(self) -> RoutingTable:
        """The present table; an empty one of revision 0 before the first."""
        return self._table

    def wait_for(self, revision: int, timeout: float) -> bool:
        """Wait until every gateway serves at least ``revision``; False after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while any(served < revision for served in tuple(self._served.values())):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.001)
        return True

    def serve(self, gateway: str, revision: int | None) -> None:
        """Say that a gateway serves a revision, or (None) that it is gone."""
        if revision is None:
            self._served.pop(gateway, None)
        else:
            self._served[gateway] = revision
