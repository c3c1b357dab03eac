"""In-memory doubles of the ports: they keep every promise but the one to outlive their process."""

from treadle.testing.memory.artifacts import MemoryArtifacts
from treadle.testing.memory.blobs import MemoryBlobs
from treadle.testing.memory.deployments import MemoryDeployments, MemoryRouting
from treadle.testing.memory.events import MemoryEvents
from treadle.testing.memory.logged_models import MemoryLoggedModels
from treadle.testing.memory.measurements import MemoryMeasurements
from treadle.testing.memory.predictions import MemoryJoinedLog, MemoryOutcomes, MemoryPredictionLog
from treadle.testing.memory.records import MemoryModels, MemoryRegister, MemorySnapshots, MemoryStepCache
from treadle.testing.memory.registered import MemoryRegistered
from treadle.testing.memory.runs import MemoryRuns
from treadle.testing.memory.serving import (
    ConstantPredictor,
    ManualClock,
    MemoryCodeTrees,
    MemoryEnvironments,
    TrustingCompiler,
)
from treadle.testing.memory.store import MemoryStore
from treadle.testing.memory.tracking import MemoryTracking
from treadle.testing.memory.versions import MemoryVersions
from treadle.testing.memory.webhooks import MemoryWebhooks, RecordingSender

__all__ = [
    "ConstantPredictor",
    "ManualClock",
    "MemoryArtifacts",
    "MemoryBlobs",
    "MemoryCodeTrees",
    "MemoryDeployments",
    "MemoryEnvironments",
    "MemoryEvents",
    "MemoryJoinedLog",
    "MemoryLoggedModels",
    "MemoryMeasurements",
    "MemoryModels",
    "MemoryOutcomes",
    "MemoryPredictionLog",
    "MemoryRegister",
    "MemoryRegistered",
    "MemoryRouting",
    "MemoryRuns",
    "MemorySnapshots",
    "MemoryStepCache",
    "MemoryStore",
    "MemoryTracking",
    "MemoryVersions",
    "MemoryWebhooks",
    "RecordingSender",
    "TrustingCompiler",
]
