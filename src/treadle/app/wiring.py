"""Where ports meet adapters: what every process rests on, and what the control plane needs; nothing that computes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import treadle
from treadle.api.loop_deploy import LoopDeploy
from treadle.api.mlflow.run_files import RunFiles, TrackedLocations, TrainingRuns
from treadle.api.mlflow.services import TrackingServices
from treadle.api.services import ControlServices
from treadle.app.clocks import clock_of
from treadle.app.loop_client import SocketLoopClient
from treadle.app.processes import together
from treadle.app.settings import Settings, prepare_folders
from treadle.app.webhook_sender import HttpSender
from treadle.domain.errors import NotFound
from treadle.domain.models import CodeTree
from treadle.engines.local.code_trees import LocalCodeTrees
from treadle.engines.local.engine import LocalEngine
from treadle.engines.local.environments import UvEnvironments
from treadle.loop.plan import PlanService
from treadle.ports.clock import Clock
from treadle.ports.tracking import Tracking
from treadle.registry.service import RegistryService
from treadle.registry.webhooks import WebhookService
from treadle.storage.artifacts.local_artifacts import LocalArtifacts
from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
from treadle.storage.sql.store import SqlStore

USE_LOCK = "use.lock"
"""In a home: held together by all who use it, alone by who frees what nobody needs."""
USE_PATIENCE = 60.0


@dataclass(frozen=True)
class Ground:
    """What every process of a home rests on."""

    settings: Settings
    store: SqlStore
    blobs: ObstoreBlobs
    environments: UvEnvironments
    code_trees: LocalCodeTrees
    engine: LocalEngine
    clock: Clock
    held: contextlib.ExitStack

    @property
    def tracking(self) -> Tracking:
        """Experiments and runs."""
        return self.store.tracking

    def tree_of(self, model: str, code_digest: str) -> CodeTree:
        """The code tree of a version, from the applied revision that brought it. Raises NotFound."""
        newest = self.store.models.get(model).revision
        for revision in range(newest, 0, -1):
            code = self.store.models.get(model, revision).code
            if code.digest == code_digest:
                return code
        raise NotFound(f"model {model!r} has no revision with code {code_digest[:12]}", hint="apply it again")

    def close(self) -> None:
        """End workers and close stores."""
        self.engine.close()
        self.store.close()
        self.held.close()


def open_ground(where: Settings, *, parallel: int = 2, use: bool = True) -> Ground:
    """Open a home, made where it is not there yet. With ``use`` nothing that is needed is freed until it is closed."""
    prepare_folders(where)
    held = contextlib.ExitStack()
    if use:
        held.enter_context(together(where.home / USE_LOCK, USE_PATIENCE))
    store = SqlStore(where.database_url)
    blobs = ObstoreBlobs(where.home / "blobs")
    environments = UvEnvironments(where.home)
    code_trees = LocalCodeTrees(where.home, blobs)
    engine = LocalEngine(
        where.home,
        environments,
        code_trees,
        blobs,
        store.steps,
        parallel=parallel,
        tracking=lambda: announced_url(where.home),
    )
    return Ground(where, store, blobs, environments, code_trees, engine, clock_of(where.home), held)


def announced_url(home: Path) -> str | None:
    """The control plane that serves a home now; None where there is none."""
    try:
        return str(json.loads((home / "server.json").read_bytes())["control"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def control_services(where: Settings, loop: SocketLoopClient) -> tuple[ControlServices, TrackingServices]:
    """What the routes of the control plane and of the tracking protocol need; nothing that computes."""
    ground = open_ground(where, parallel=1)
    store = ground.store
    registry = RegistryService(store.versions, store.snapshots, store.runs, ground.blobs, ground.clock)
    plans = PlanService(store.models, ground.environments, ground.code_trees, ground.engine, ground.blobs, ground.clock)
    control = ControlServices(
        models=store.models,
        runs=store.runs,
        versions=store.versions,
        deployments=store.deployments,
        snapshots=store.snapshots,
        measurements=store.measurements,
        events=store.events,
        tracking=ground.tracking,
        registered=store.registered,
        plans=plans,
        deploy=LoopDeploy(loop),
        lineage=RegistryLineage(registry),
        loop=loop,
        clock=ground.clock,
        gateways=lambda: acknowledgements(where),
        version=treadle.__version__,
        home=str(where.home),
        blobs=ground.blobs,
    )
    return control, tracking_services(ground)


def tracking_services(ground: Ground) -> TrackingServices:
    """What the routes of the tracking protocol need."""
    where, store = ground.settings, ground.store
    sender = HttpSender(private=where.webhook_private)
    return TrackingServices(
        clock=ground.clock,
        version=treadle.__version__,
        run_files=RunFiles(LocalArtifacts(where.home / "artifacts"), ground.blobs, TrainingRuns(store.runs)),
        locations=TrackedLocations(ground.tracking, store.logged_models, store.registered),
        tracking=ground.tracking,
        registered=store.registered,
        logged_models=store.logged_models,
        webhooks=WebhookService(store.webhooks, sender, private=where.webhook_private),
    )


@dataclass(frozen=True)
class RegistryLineage:
    """The registry's lineage as the routes take it."""

    registry: RegistryService

    def lineage(self, model: str, number: int) -> Mapping[str, Any]:
        """Plain data. Raises NotFound."""
        found = self.registry.lineage(self.registry.get(model, number))
        version = found.version
        return {
            "model": model,
            "version": number,
            "attempt": version.attempt,
            "recipe": version.recipe_digest,
            "artifact": version.artifact_digest,
            "run": found.run.id,
            "snapshot": {
                "digest": found.snapshot.digest,
                "rows": found.snapshot.rows,
                "labelled": found.snapshot.labelled,
                "as_of": found.snapshot.as_of.isoformat(),
            },
            "code": found.code,
            "environment": found.environment,
            "parent": found.parent.number if found.parent else None,
            "children": list(found.children),
            "siblings": list(found.siblings),
        }


def acknowledgements(where: Settings) -> Sequence[Mapping[str, Any]]:
    """What each gateway said last about the routing table it serves."""
    found = []
    for path in sorted((where.home / "gateways").glob("*.json")):
        try:
            found.append(json.loads(path.read_text()))
        except (OSError, ValueError):
            continue
    return found
