"""The in-memory doubles keep the ports' promises."""

from pathlib import Path

from treadle.ports.blobs import Blobs
from treadle.testing import contracts, memory, samples


class MemoryStores(contracts.StoreContract):
    def make(self, folder: Path) -> memory.MemoryStore:
        return memory.MemoryStore()


class TestMemoryEvents(MemoryStores, contracts.EventsContract): ...


class TestMemoryModels(MemoryStores, contracts.ModelsContract): ...


class TestMemorySnapshots(MemoryStores, contracts.SnapshotsContract): ...


class TestMemoryStepCache(MemoryStores, contracts.StepCacheContract): ...


class TestMemoryRegister(MemoryStores, contracts.RegisterContract): ...


class TestMemoryRuns(MemoryStores, contracts.RunsContract): ...


class TestMemoryVersions(MemoryStores, contracts.VersionsContract): ...


class TestMemoryDeployments(MemoryStores, contracts.DeploymentsContract): ...


class TestMemoryMeasurements(MemoryStores, contracts.MeasurementsContract): ...


class TestMemoryRouting(contracts.RoutingContract):
    def make(self, folder):
        routing = memory.MemoryRouting()
        return routing, routing.serve


class TestMemoryBlobs(contracts.BlobsContract):
    def make(self, folder: Path) -> Blobs:
        return memory.MemoryBlobs()

    def tamper(self, blobs, digest, data):
        blobs.stored[digest] = data


class TestMemoryPredictionLog(contracts.PredictionLogContract):
    def make(self, folder: Path):
        log = memory.MemoryPredictionLog(folder, samples.a_spec)
        return log, log


class TestMemoryOutcomes(contracts.OutcomesContract):
    def make(self, folder: Path):
        return memory.MemoryOutcomes(folder)


class TestMemoryJoinedLog(contracts.JoinedLogContract):
    def make(self, folder: Path):
        return memory.MemoryJoinedLog(folder)
