"""The backends keep the ports' promises."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import obstore

from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
from treadle.storage.predictions.joined import ParquetJoinedLog
from treadle.storage.predictions.log import ParquetPredictionLog
from treadle.storage.predictions.outcomes import ParquetOutcomes
from treadle.storage.predictions.wal import WalWriter
from treadle.storage.routing import FileRouting
from treadle.storage.sql.store import SqlStore
from treadle.testing import contracts, samples


class SqliteStores(contracts.StoreContract):
    def make(self, folder: Path) -> SqlStore:
        return SqlStore(f"sqlite:///{folder / 'treadle.db'}")


class TestSqliteEvents(SqliteStores, contracts.EventsContract): ...


class TestSqliteModels(SqliteStores, contracts.ModelsContract): ...


class TestSqliteSnapshots(SqliteStores, contracts.SnapshotsContract): ...


class TestSqliteStepCache(SqliteStores, contracts.StepCacheContract): ...


class TestSqliteRegister(SqliteStores, contracts.RegisterContract): ...


class TestSqliteRuns(SqliteStores, contracts.RunsContract): ...


class TestSqliteVersions(SqliteStores, contracts.VersionsContract): ...


class TestSqliteDeployments(SqliteStores, contracts.DeploymentsContract): ...


class TestSqliteMeasurements(SqliteStores, contracts.MeasurementsContract): ...


class TestLocalBlobs(contracts.BlobsContract):
    def make(self, folder: Path) -> ObstoreBlobs:
        return ObstoreBlobs(folder)

    def tamper(self, blobs, digest, data):
        path = blobs.path(digest)
        path.chmod(0o644)
        path.write_bytes(data)

    def test_a_path_is_sharded_and_read_only(self, blobs, tmp_path):
        digest = blobs.put(b"one")
        path = blobs.path(digest)
        assert path == tmp_path / "blobs" / digest[:2] / digest[2:]
        assert not stat.S_IMODE(path.stat().st_mode) & 0o222

    def test_another_process_sees_the_blobs(self, blobs, tmp_path):
        assert ObstoreBlobs((tmp_path / "blobs").as_uri()).get(blobs.put(b"one")) == b"one"


class TestMemoryObstoreBlobs(contracts.BlobsContract):
    def make(self, folder: Path) -> ObstoreBlobs:
        return ObstoreBlobs("memory://")

    def tamper(self, blobs, digest, data):
        obstore.put(blobs._store, f"{digest[:2]}/{digest[2:]}", data)


class TestFileRouting(contracts.RoutingContract):
    def make(self, folder: Path):
        gateways = folder / "gateways"
        gateways.mkdir()

        def serve(gateway: str, revision: int | None) -> None:
            path = gateways / f"{gateway}.json"
            if revision is None:
                path.write_text(json.dumps({"id": gateway, "pid": ended_process(), "revision": 0}))
            else:
                fresh = gateways / f"{gateway}.new"
                fresh.write_text(json.dumps({"id": gateway, "pid": os.getpid(), "revision": revision}))
                fresh.replace(path)

        return FileRouting(folder), serve

    def test_the_files_of_ended_gateways_are_removed(self, pair, tmp_path):
        routing, serve = pair
        serve("a", None)
        serve("b", 1)
        assert routing.wait_for(1, 1)
        assert [path.name for path in (tmp_path / "gateways").iterdir()] == ["b.json"]

    def test_unreadable_words_of_gateways_are_no_gateways(self, pair, tmp_path):
        for name, text in (("a", "{"), ("b", "[]"), ("c", '{"pid": 1}')):
            (tmp_path / "gateways" / f"{name}.json").write_text(text)
        assert pair[0].wait_for(1, 1)


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


class TestParquetPredictionLog(contracts.PredictionLogContract):
    def make(self, folder: Path):
        self.store = SqlStore(f"sqlite:///{folder / 'treadle.db'}")
        writer = WalWriter(folder / "wal" / "gateway-1", segment_bytes=20_000)
        return writer, ParquetPredictionLog(folder, self.store, specs=samples.a_spec)

    def close(self) -> None:
        self.store.close()


class TestParquetOutcomes(contracts.OutcomesContract):
    def make(self, folder: Path):
        self.store = SqlStore(f"sqlite:///{folder / 'treadle.db'}")
        return ParquetOutcomes(folder, self.store)

    def close(self) -> None:
        self.store.close()


class TestParquetJoinedLog(contracts.JoinedLogContract):
    def make(self, folder: Path):
        self.store = SqlStore(f"sqlite:///{folder / 'treadle.db'}")
        return ParquetJoinedLog(folder, self.store)

    def close(self) -> None:
        self.store.close()
