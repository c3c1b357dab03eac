"""Promotion and rollback, done by the loop process: one process at a time owns the routing table."""

from __future__ import annotations

from treadle.api.services import LoopClient
from treadle.domain import codec
from treadle.domain.deployments import Deployment


class LoopDeploy:
    """Hands both on to the loop and waits until it has done them; a :class:`treadle.api.services.Deploy`."""

    def __init__(self, loop: LoopClient) -> None:
        self._loop = loop

    async def promote(self, model: str, version: int, reason: str, actor: str) -> Deployment:
        """Give a version all traffic. Raises NotFound, Conflict, and WorkerUnavailable while the loop is away."""
        answer = await self._loop.call("promote", model=model, version=version, reason=reason, actor=actor)
        deployment: Deployment = codec.from_plain(Deployment, answer["deployment"])
        return deployment

    async def rollback(self, model: str, reason: str, actor: str, to: int | None = None) -> Deployment:
        """Return to the version before, or to ``to``. Raises as :meth:`promote` does."""
        answer = await self._loop.call("rollback", model=model, reason=reason, actor=actor, to=to)
        deployment: Deployment = codec.from_plain(Deployment, answer["deployment"])
        return deployment
