"""All metadata doubles on one table of events."""

from __future__ import annotations

from treadle.ports.deployments import Deployments
from treadle.ports.events import Events
from treadle.ports.logged_models import LoggedModels
from treadle.ports.models import Models
from treadle.ports.monitoring import Measurements
from treadle.ports.register import Register
from treadle.ports.registered import Registered
from treadle.ports.runs import Runs
from treadle.ports.snapshots import Snapshots
from treadle.ports.steps import StepCache
from treadle.ports.tracking import Tracking
from treadle.ports.versions import Versions
from treadle.ports.webhooks import Webhooks
from treadle.testing.memory.deployments import MemoryDeployments
from treadle.testing.memory.events import MemoryEvents
from treadle.testing.memory.logged_models import MemoryLoggedModels
from treadle.testing.memory.measurements import MemoryMeasurements
from treadle.testing.memory.records import MemoryModels, MemoryRegister, MemorySnapshots, MemoryStepCache
from treadle.testing.memory.registered import MemoryRegistered
from treadle.testing.memory.runs import MemoryRuns
from treadle.testing.memory.tracking import MemoryTracking
from treadle.testing.memory.versions import MemoryVersions
from treadle.testing.memory.webhooks import MemoryWebhooks


class MemoryStore:
    """Has the same parts as a store on a database."""

    def __init__(self) -> None:
        events = MemoryEvents()
        self.events: Events = events
        self.models: Models = MemoryModels(events)
        self.runs: Runs = MemoryRuns(events)
        registered = MemoryRegistered(events)
        self.registered: Registered = registered
        logged = MemoryLoggedModels(registered)
        self.logged_models: LoggedModels = logged
        self.tracking: Tracking = MemoryTracking(models=logged)
        self.versions: Versions = MemoryVersions(events, registered)
        self.deployments: Deployments = MemoryDeployments(events)
        self.snapshots: Snapshots = MemorySnapshots()
        self.steps: StepCache = MemoryStepCache()
        self.measurements: Measurements = MemoryMeasurements(events)
        self.register: Register = MemoryRegister()
        self.webhooks: Webhooks = MemoryWebhooks()

    def close(self) -> None:
        """Nothing to do."""
