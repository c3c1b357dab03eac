"""The real control plane over a seeded store, with a loop that answers at once.

``python server.py HOME PORT`` serves until it is told to stop; ``--empty`` serves a home without a model.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

sys.path.insert(0, str(Path(__file__).parent))

from reckoning import report_of
from seed import Story
from story import HOME, NOW

from treadle.api.app import create_app, create_server
from treadle.api.loop_deploy import LoopDeploy
from treadle.api.services import ControlServices
from treadle.app.reckoned import Reckoned
from treadle.app.settings import settings
from treadle.app.wiring import open_ground, tracking_services
from treadle.deploy import rollouts
from treadle.domain import codec
from treadle.domain.deployments import Deployment
from treadle.domain.events import Event, Payload, RolloutStepped, VersionPromoted, VersionRolledBack
from treadle.domain.runs import MetricPoint
from treadle.registry.service import RegistryService
from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
from treadle.storage.sql.store import SqlStore
from treadle.ui.site import Site


class Clock:
    """A virtual clock that stands still."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> datetime:
        """What time it is."""
        return self._now

    def set(self, at: datetime) -> None:
        """Move it."""
        self._now = at


class Loop:
    """Does what people ask for at once, and says that it is training bikes."""

    def __init__(self, store: SqlStore, clock: Clock, reports: Reckoned, *, busy: bool) -> None:
        self._store = store
        self._reports = reports
        self._clock = clock
        self._busy = busy
        self._started = time.monotonic()

    async def advance(self, to: datetime) -> AsyncIterator[dict[str, Any]]:
        """Move the clock."""
        self._clock.set(to)
        yield {"done": True, "now": codec.to_plain(to)}

    async def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Answer one question."""
        if op in ("promote", "rollback", "rollout"):
            return {"deployment": codec.to_plain(getattr(self, op)(**arguments))}
        if op == "status":
            return {"doing": self.doing()}
        if op == "report":
            return {"report": self._reports.anew(arguments["model"])}
        return self._reports.last(arguments["model"]) if op == "last_report" else {}

    def doing(self) -> list[dict[str, Any]]:
        """What is under way."""
        if not self._busy:
            return []
        seconds = time.monotonic() - self._started
        share = 0.1 + 0.6 * (1 - math.exp(-seconds / 60))
        return [{"model": "bikes", "lane": "train", "what": "Train", "detail": "fitting", "share": share,
                 "seconds": seconds}]  # fmt: skip

    def promote(self, model: str, version: int, reason: str, actor: str) -> Deployment:
        """Give a version all traffic."""
        before = self._store.deployments.get(model) or Deployment(model, 0, None, None, None)
        self._store.versions.get(model, version)
        after = rollouts.promoted(before, version, self._clock.now(), reason)
        return self._change(after, VersionPromoted(version, before.champion, reason), actor)

    def rollback(self, model: str, reason: str, actor: str, to: int | None = None) -> Deployment:
        """Return to an earlier version."""
        before = self._store.deployments.get(model) or Deployment(model, 0, None, None, None)
        after = rollouts.rolled_back(before, self._clock.now(), reason, to)
        assert before.champion is not None
        assert after.champion is not None
        return self._change(after, VersionRolledBack(before.champion, after.champion, reason), actor)

    def rollout(self, model: str, action: str, reason: str, actor: str) -> Deployment:
        """Pause, resume or abort."""
        before, now = self._store.deployments.get(model), self._clock.now()
        assert before is not None
        assert before.rollout is not None
        after = {
            "pause": lambda: rollouts.paused(before, reason),
            "resume": lambda: rollouts.resumed(before, now, reason),
            "abort": lambda: rollouts.aborted(before, now, reason),
        }[action]()
        told = {"pause": "paused", "resume": "resumed", "abort": "aborted"}[action]
        return self._change(after, RolloutStepped(before.rollout.version, before.rollout.step, told, reason), actor)

    def _change(self, after: Deployment, payload: Payload, actor: str) -> Deployment:
        self._store.deployments.put(after, Event(after.model, self._clock.now(), payload, actor))
        self._store.versions.set_alias(after.model, "champion", after.champion)
        if self._store.versions.aliases(after.model).get("challenger") == after.champion:
            self._store.versions.set_alias(after.model, "challenger", None)
        self._store.events.seal()
        return after


class NoPlans:
    """This server takes no new models."""

    def plan(self, *_args: Any, **_more: Any) -> Any:
        """Never."""
        raise NotImplementedError

    apply = plan


class Lineages:
    """The registry's lineage as plain data."""

    def __init__(self, registry: RegistryService) -> None:
        self._registry = registry

    def lineage(self, model: str, number: int) -> dict[str, Any]:
        """What a version came from, and what came of it."""
        found = self._registry.lineage(self._registry.get(model, number))
        rows = found.snapshot
        return {
            "model": model, "version": number, "attempt": found.version.attempt,
            "recipe": found.version.recipe_digest, "artifact": found.version.artifact_digest, "run": found.run.id,
            "snapshot": {"digest": rows.digest, "rows": rows.rows, "labelled": rows.labelled,
                         "as_of": rows.as_of.isoformat()},
            "code": found.code, "environment": found.environment,
            "parent": found.parent.number if found.parent else None,
            "children": list(found.children), "siblings": list(found.siblings),
        }  # fmt: skip


def application(home: Path, *, empty: bool = False) -> ASGIApp:
    """The control plane with its pages over a new home."""
    home.mkdir(parents=True, exist_ok=True)
    ground = open_ground(settings(home))
    store, blobs, clock = ground.store, ground.blobs, Clock()
    reports = Reckoned(home / "reports", report_of, clock.now)
    loop = Loop(store, clock, reports, busy=not empty)
    if not empty:
        if not store.models.all():
            Story(store, blobs).tell()
        reports.anew("flights")
        threading.Thread(target=_go_on_training, args=(store,), daemon=True).start()
    registry = RegistryService(store.versions, store.snapshots, store.runs, blobs, clock)
    table = {"id": "gateway", "pid": 4711, "revision": 14}
    services = ControlServices(
        models=store.models, runs=store.runs, versions=store.versions, deployments=store.deployments,
        snapshots=store.snapshots, measurements=store.measurements, events=store.events,
        tracking=store.tracking, registered=store.registered, plans=NoPlans(),
        deploy=LoopDeploy(loop), lineage=Lineages(registry),
        loop=loop, clock=clock,
        gateways=lambda: [] if empty else [table], version="0.1.0", home=HOME, blobs=blobs,
    )  # fmt: skip
    app = create_app(services)
    app.mount("/", Site())
    return create_server(app, services, tracking_services(ground))


def tell(home: Path) -> None:
    """Make a home whose story is told, for servers to begin with a copy of it."""
    home.mkdir(parents=True)
    store = SqlStore(f"sqlite:///{home / 'treadle.db'}")
    Story(store, ObstoreBlobs(home / "blobs")).tell()
    store.close()


def _go_on_training(store: SqlStore) -> None:
    for step in range(600):
        losses = {"train_loss": 30 + 40 * math.exp(-step / 60), "validation_loss": 36 + 38 * math.exp(-step / 50)}
        at = NOW + timedelta(seconds=step)
        store.runs.log("run-bikes-0004", metrics=[MetricPoint(key, value, step, at) for key, value in losses.items()])
        time.sleep(0.02 if step < 80 else 1.0)


def main(home: str, port: str, *flags: str) -> None:
    """Serve until told to stop; with ``--tell`` only make the home."""
    if "--tell" in flags:
        tell(Path(home))
        return
    app = application(Path(home), empty="--empty" in flags)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=int(port), access_log=False, log_level="warning", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
