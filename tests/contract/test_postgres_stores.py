"""The stores on Postgres keep the promises that they keep on SQLite."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from treadle.domain.errors import TreadleError
from treadle.storage.sql.store import SqlStore
from treadle.testing import contracts


class PostgresStores:
    @pytest.fixture(autouse=True)
    def cluster(self, postgres):
        self.postgres = postgres

    def make(self, folder: Path) -> SqlStore:
        return SqlStore(self.postgres.database())


class TestPostgresExperiments(PostgresStores, contracts.ExperimentsContract): ...


class TestPostgresRunStore(PostgresStores, contracts.RunStoreContract): ...


class TestPostgresCurves(PostgresStores, contracts.CurvesContract): ...


class TestPostgresEvents(PostgresStores, contracts.EventsContract): ...


class TestPostgresModels(PostgresStores, contracts.ModelsContract): ...


class TestPostgresSnapshots(PostgresStores, contracts.SnapshotsContract): ...


class TestPostgresStepCache(PostgresStores, contracts.StepCacheContract): ...


class TestPostgresRegister(PostgresStores, contracts.RegisterContract): ...


class TestPostgresRuns(PostgresStores, contracts.RunsContract): ...


class TestPostgresVersions(PostgresStores, contracts.VersionsContract): ...


class TestPostgresDeployments(PostgresStores, contracts.DeploymentsContract): ...


class TestPostgresMeasurements(PostgresStores, contracts.MeasurementsContract): ...


class TestPostgresWebhooks(PostgresStores, contracts.WebhooksContract):
    @contextmanager
    def open(self, folder: Path):
        if not hasattr(self, "url"):
            self.url = self.postgres.database()
        store = SqlStore(self.url)
        try:
            yield store.webhooks
        finally:
            store.close()


OPEN = "import sys; from treadle.storage.sql.store import SqlStore; SqlStore(sys.argv[1]).close()"


def test_processes_that_start_at_once_migrate_once(postgres):
    url = postgres.empty()
    started = [subprocess.Popen([sys.executable, "-c", OPEN, url], env=os.environ) for _ in range(3)]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    store = SqlStore(url)
    assert store.tracking.get_experiment("0").name == "Default"
    store.close()


def test_a_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TreadleError, match="cannot be used") as caught:
        SqlStore(f"postgresql://ada:secret@/none?host={tmp_path}")
    assert "secret" not in str(caught.value)


class TestPostgresRegistered(PostgresStores, contracts.RegisteredContract): ...


class TestPostgresRegistrySearch(PostgresStores, contracts.RegistrySearchContract): ...


class TestPostgresOneRegistry(PostgresStores, contracts.OneRegistryContract): ...


class TestPostgresLoggedModels(PostgresStores, contracts.LoggedModelsContract): ...
