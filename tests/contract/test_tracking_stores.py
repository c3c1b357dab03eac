"""Tracking in memory and on SQL keeps the port's promises."""

from dataclasses import dataclass
from pathlib import Path

from treadle.ports.tracking import Tracking
from treadle.storage.sql.store import SqlStore
from treadle.testing import contracts, memory


@dataclass
class Memory:
    tracking: Tracking

    def close(self) -> None: ...


class MemoryStores:
    def make(self, folder: Path) -> Memory:
        return Memory(memory.MemoryTracking())


class SqliteStores:
    def make(self, folder: Path) -> SqlStore:
        return SqlStore(f"sqlite:///{folder / 'treadle.db'}")


class TestMemoryExperiments(MemoryStores, contracts.ExperimentsContract): ...


class TestMemoryRunStore(MemoryStores, contracts.RunStoreContract): ...


class TestMemoryCurves(MemoryStores, contracts.CurvesContract): ...


class TestSqliteExperiments(SqliteStores, contracts.ExperimentsContract): ...


class TestSqliteRunStore(SqliteStores, contracts.RunStoreContract): ...


class TestSqliteCurves(SqliteStores, contracts.CurvesContract): ...
