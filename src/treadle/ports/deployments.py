"""Deployments, and the routing table that gateways read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treadle.domain.deployments import Deployment, RoutingTable
from treadle.domain.events import Event


class Deployments(Protocol):
    """One deployment a model, changed by compare-and-set on its revision."""

    def get(self, model: str) -> Deployment | None:
        """The deployment, or None before the first rollout."""
        ...

    def put(self, deployment: Deployment, *events: Event) -> None:
        """Store it. Raises Conflict unless ``deployment.revision`` is one more than the stored one (from 1)."""
        ...

    def all(self) -> Sequence[Deployment]:
        """All deployments by model name."""
        ...


class Routing(Protocol):
    """The routing table as gateways see it: one file, replaced atomically."""

    def publish(self, table: RoutingTable) -> None:
        """Replace the table."""
        ...

    def read(self) -> RoutingTable:
        """The present table; an empty one of revision 0 before the first."""
        ...

    def wait_for(self, revision: int, timeout: float) -> bool:
        """Wait until every running gateway serves at least ``revision``; False after ``timeout`` seconds."""
        ...
