"""The services of the stages, joined: what executors work with. ``app/`` fills it in."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.data.service import DataService
from treadle.deploy.service import DeployService
from treadle.monitor.service import MonitorService
from treadle.ports.blobs import Blobs
from treadle.ports.clock import Clock
from treadle.ports.events import Events
from treadle.ports.models import Models
from treadle.ports.predictions import PredictionLog
from treadle.ports.steps import CodeTrees, Environments
from treadle.registry.service import RegistryService
from treadle.train.service import TrainService


@dataclass(frozen=True)
class Stages:
    """Services by stage, and the ports that joining them needs."""

    models: Models
    events: Events
    blobs: Blobs
    environments: Environments
    code_trees: CodeTrees
    log: PredictionLog
    data: DataService
    train: TrainService
    registry: RegistryService
    deploy: DeployService
    monitor: MonitorService
    clock: Clock
