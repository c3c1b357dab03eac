"""Webhooks in memory and on SQL keep the port's promises."""

from contextlib import contextmanager
from pathlib import Path

from treadle.storage.sql.store import SqlStore
from treadle.testing import contracts, memory


class TestMemoryWebhooks(contracts.WebhooksContract):
    lasting = False

    @contextmanager
    def open(self, folder: Path):
        yield memory.MemoryWebhooks()


class TestSqliteWebhooks(contracts.WebhooksContract):
    @contextmanager
    def open(self, folder: Path):
        folder.mkdir(exist_ok=True)
        store = SqlStore(f"sqlite:///{folder / 'treadle.db'}")
        yield store.webhooks
        store.close()
