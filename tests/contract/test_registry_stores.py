"""The backends of the registry and of logged models keep the ports' promises."""

from pathlib import Path

from treadle.storage.sql.store import SqlStore
from treadle.testing import contracts, memory


class Sqlite:
    def make(self, folder: Path) -> SqlStore:
        return SqlStore(f"sqlite:///{folder / 'treadle.db'}")


class Memory:
    def make(self, folder: Path) -> memory.MemoryStore:
        return memory.MemoryStore()


class TestSqliteRegistered(Sqlite, contracts.RegisteredContract): ...


class TestSqliteRegistrySearch(Sqlite, contracts.RegistrySearchContract): ...


class TestSqliteOneRegistry(Sqlite, contracts.OneRegistryContract): ...


class TestSqliteLoggedModels(Sqlite, contracts.LoggedModelsContract): ...


class TestMemoryRegistered(Memory, contracts.RegisteredContract): ...


class TestMemoryRegistrySearch(Memory, contracts.RegistrySearchContract): ...


class TestMemoryOneRegistry(Memory, contracts.OneRegistryContract): ...


class TestMemoryLoggedModels(Memory, contracts.LoggedModelsContract): ...
