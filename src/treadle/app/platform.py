"""Where the stages meet their adapters: what the loop process, or a run without a server, works with."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.app.clocks import VirtualClock
from treadle.app.settings import Settings
from treadle.app.wiring import Ground, open_ground
from treadle.data.service import DataService
from treadle.deploy.routing import LocalFiles
from treadle.deploy.service import DeployService
from treadle.loop.stages import Stages
from treadle.monitor.service import MonitorService
from treadle.ports.clock import Clock
from treadle.registry.service import RegistryService
from treadle.runtimes.onnx import OnnxCompiler
from treadle.storage.predictions.joined import ParquetJoinedLog
from treadle.storage.predictions.log import ParquetPredictionLog
from treadle.storage.predictions.outcomes import ParquetOutcomes
from treadle.storage.routing import FileRouting
from treadle.storage.sql.store import SqlStore
from treadle.train.service import TrainService


@dataclass(frozen=True)
class Platform:
    """Everything that the loop process, or a run without a server, works with."""

    ground: Ground
    stages: Stages

    @property
    def store(self) -> SqlStore:
        """The metadata."""
        return self.ground.store

    @property
    def clock(self) -> Clock:
        """The home's clock."""
        return self.ground.clock

    @property
    def virtual(self) -> bool:
        """Whether time stands still until it is moved."""
        return isinstance(self.ground.clock, VirtualClock)

    def close(self) -> None:
        """Let go of everything."""
        self.ground.close()


def open_platform(where: Settings, *, parallel: int = 2) -> Platform:
    """Open a home with the services of all stages."""
    ground = open_ground(where, parallel=parallel)
    store, blobs, engine, clock = ground.store, ground.blobs, ground.engine, ground.clock
    log = ParquetPredictionLog(where.home, store)
    files = LocalFiles(
        blobs,
        ground.environments,
        ground.code_trees,
        ground.tree_of,
        run_folder=where.run_folder,
        cache=where.home / "cache",
    )
    stages = Stages(
        models=store.models,
        events=store.events,
        blobs=blobs,
        environments=ground.environments,
        code_trees=ground.code_trees,
        log=log,
        data=DataService(engine, blobs, store.snapshots),
        train=TrainService(engine, ground.environments, blobs, store.runs, clock, compiler=OnnxCompiler()),
        registry=RegistryService(store.versions, store.snapshots, store.runs, blobs, clock),
        deploy=DeployService(store.deployments, FileRouting(where.home), store.versions, clock, files),
        monitor=MonitorService(
            engine=engine,
            blobs=blobs,
            log=log,
            outcomes=ParquetOutcomes(where.home, store),
            joined=ParquetJoinedLog(where.home, store),
            measurements=store.measurements,
            versions=store.versions,
            clock=clock,
        ),
        clock=clock,
    )
    return Platform(ground, stages)
