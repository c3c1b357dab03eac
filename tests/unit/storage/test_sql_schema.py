"""Opening a database: migrations, other releases, impossible URLs."""

import dataclasses
import sqlite3
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from treadle.domain import codec
from treadle.domain.errors import CorruptData, InvalidInput, TreadleError
from treadle.storage.sql import migrating
from treadle.storage.sql.registered import tables
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples

INSERT_OLD_RUN = (
    "INSERT INTO runs (number, id, model, parent, started_at, body) VALUES (:number, :id, :model, :parent, '', :body)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "treadle.db"
    SqlStore(f"sqlite:///{path}").close()
    return path


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_migrations_make_the_tables_that_the_code_uses(path):
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.logged_models.metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_code_expects():
    config = Config()
    config.set_main_option("script_location", str(migrating.FOLDER))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrating.HEAD]
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith((f"pre_{script.revision}_", f"post_{script.revision}_"))


def test_opening_again_keeps_everything_and_is_quick(path):
    store = SqlStore(f"sqlite:///{path}")
    store.register.put("a", "1")
    store.close()
    started = time.perf_counter()
    store = SqlStore(f"sqlite:///{path}")
    assert time.perf_counter() - started < 0.15
    assert store.register.get("a") == "1"
    store.close()


def test_a_database_that_a_newer_release_still_shares_is_used(path):
    change(path, "UPDATE alembic_version SET version_num = '9999'")
    store = SqlStore(f"sqlite:///{path}")
    assert list(store.models.all()) == []
    store.close()


def test_a_database_that_needs_a_newer_release_is_refused(path):
    change(
        path,
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE schema_state SET oldest_release = '9998'",
    )
    with pytest.raises(TreadleError, match="at least 9998 is needed") as caught:
        SqlStore(f"sqlite:///{path}")
    assert "upgrade" in caught.value.hint


def test_a_migration_that_fails_leaves_nothing(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'treadle.db'}"
    upgrade = migrating._upgrade

    def fails(connection):
        upgrade(connection)
        raise RuntimeError("here")

    monkeypatch.setattr(migrating, "_upgrade", fails)
    with pytest.raises(RuntimeError):
        SqlStore(url)
    monkeypatch.undo()
    store = SqlStore(url)
    assert store.events.seal() == 0
    store.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_urls_that_cannot_be_used_say_so(url):
    with pytest.raises(InvalidInput) as caught:
        SqlStore(url)
    assert caught.value.hint


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "treadle.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(CorruptData, match="is damaged"):
        SqlStore(f"sqlite:///{path}")


def test_writers_begin_immediately_and_survive_power_loss_whole(path):
    store = SqlStore(f"sqlite:///{path}")
    with store._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    with store._database.write():
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    store.close()


def test_versions_of_before_are_shown_in_the_registry(tmp_path):
    """As they are shown when they are made."""
    path = tmp_path / "treadle.db"
    store = SqlStore(f"sqlite:///{path}")
    for number in (1, 2, 3):
        store.versions.register(samples.a_version(number))
    store.versions.judge("flights", 2, samples.a_gate_report())
    store.versions.set_alias("flights", "champion", 2)
    store.versions.set_alias("flights", "challenger", 3)
    made = store.registered.get_model("flights"), store.registered.search_versions(limit=10).items
    store.close()
    of_0004 = [
        name for name in tables.logged_models.metadata.tables if name.startswith(("registered_", "logged_model"))
    ]
    of_0005 = [f"DROP INDEX ix_run_metrics_key_{column}_run" for column in ("least", "greatest")]
    change(
        path, *(f"DROP TABLE {name}" for name in of_0004), *of_0005, "UPDATE alembic_version SET version_num = '0003'"
    )
    store = SqlStore(f"sqlite:///{path}")
    assert (store.registered.get_model("flights"), store.registered.search_versions(limit=10).items) == made
    assert store.versions.next_number("flights") == 4
    store.close()


def test_runs_of_before_tracking_move_over(tmp_path):
    url = f"sqlite:///{tmp_path / 'treadle.db'}"
    engine = create_engine(url)
    run = dataclasses.replace(samples.a_run(), params={"depth": 3, "kind": "tree"}, tags={"trigger": "age"})
    other = samples.a_run("run-2", model="bikes", parent="run-1")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrating.FOLDER))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number, one in ((1, run), (2, other)):
            values = {
                "number": number,
                "id": one.id,
                "model": one.model,
                "parent": one.parent,
                "body": codec.dumps(one),
            }
            connection.execute(text(INSERT_OLD_RUN), values)
        connection.execute(text("INSERT INTO metrics VALUES (7, 1, 'loss', 1, 2000000, 0.5, 0)"))
        for point in ("7, 0, 1000000, 0.0, 1", "7, 1, 2000000, 0.5, 0", "7, 1, 2000001, 0.5, 0"):
            connection.execute(text(f"INSERT INTO metric_points VALUES ({point})"))
    engine.dispose()
    store = SqlStore(url)
    found = store.runs.get("run-1")
    assert dataclasses.replace(found, metrics={}) == run
    assert found.metrics == {"loss": 0.5}
    points = [(point.step, repr(point.value)) for point in store.runs.points("run-1", "loss")]
    assert points == [(0, "nan"), (1, "0.5")]
    assert [one.id for one in store.runs.list(parent="run-1")] == ["run-2"]
    tracked = store.tracking.get_run("run-1")
    assert tracked.params == {"depth": "3", "kind": "tree"}
    assert store.tracking.experiment_by_name("flights").id == tracked.info.experiment
    store.runs.create(samples.a_run("run-3", model="bikes"))
    assert len(store.runs.list(model="bikes")) == 2
    store.close()
