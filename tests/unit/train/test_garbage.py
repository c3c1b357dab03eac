from datetime import UTC, datetime, timedelta

import pytest

from treadle.domain.registered import NewVersion
from treadle.testing import memory
from treadle.testing.contracts.artifacts import put
from treadle.testing.contracts.logged_models import a_model
from treadle.testing.contracts.registered import change
from treadle.train.garbage import Garbage, GarbageService

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = int((NOW - timedelta(days=60)).timestamp() * 1000)
NEW = int((NOW - timedelta(days=1)).timestamp() * 1000)
BEFORE = NOW - timedelta(days=30)


@pytest.fixture
def store():
    return memory.MemoryStore()


@pytest.fixture
def tracking(store):
    return store.tracking


@pytest.fixture
def artifacts():
    return memory.MemoryArtifacts()


@pytest.fixture
def service(store, artifacts):
    return GarbageService(store.tracking, artifacts, store.logged_models, store.registered)


def made(tracking, artifacts, experiment="0"):
    run = tracking.create_run(experiment, name="r", user="", started=1).result().info
    put(artifacts, run.artifact_uri.removeprefix("mlflow-artifacts:/") + "/model/x", b"12345")
    return run


def test_only_what_was_deleted_long_ago_goes(tracking, artifacts, service):
    kept, fresh, gone = (made(tracking, artifacts) for _ in range(3))
    tracking.delete_run(fresh.id, at=NEW).result()
    tracking.delete_run(gone.id, at=OLD).result()
    expected = Garbage(runs=(gone.id,), files=1, bytes=5)
    assert service.find(BEFORE) == expected
    assert artifacts.usage("") == (3, 15)
    assert service.free(BEFORE) == expected
    assert artifacts.usage("") == (2, 10)
    assert artifacts.usage(f"0/{gone.id}") == (0, 0)
    assert tracking.run_info(kept.id).active
    assert tracking.run_info(fresh.id).deleted == NEW
    assert service.free(BEFORE) == Garbage()


def test_experiments_go_with_their_runs(tracking, artifacts, service):
    experiment = tracking.create_experiment("e", at=1).result().id
    run = made(tracking, artifacts, experiment)
    tracking.delete_experiment(experiment, at=OLD).result()
    expected = Garbage(experiments=(experiment,), runs=(run.id,), files=1, bytes=5)
    assert service.find(BEFORE) == expected
    assert service.free(BEFORE) == expected
    assert artifacts.usage("") == (0, 0)


def test_folders_of_runs_that_are_no_more_go(tracking, artifacts, service):
    kept = made(tracking, artifacts)
    orphan = "a" * 32
    put(artifacts, f"0/{orphan}/artifacts/x", b"1")
    put(artifacts, "0/not-a-run/x", b"1")
    put(artifacts, "0/models/m-1/artifacts/x", b"1")
    put(artifacts, "top", b"1")
    assert service.find(BEFORE) == Garbage(orphans=(f"0/{orphan}",), files=1, bytes=1)
    service.free(BEFORE)
    assert artifacts.usage("") == (4, 8)
    assert artifacts.usage(f"0/{kept.id}") == (1, 5)


@pytest.mark.parametrize(
    "location", ["s3://bucket/x", "mlflow-artifacts:/../../etc", "mlflow-artifacts:/", "file:///etc", "/etc"]
)
def test_nothing_is_removed_elsewhere(tracking, artifacts, service, location):
    put(artifacts, "0/other/artifacts/x", b"1")
    experiment = tracking.create_experiment("e", at=1, artifact_location=location).result().id
    run = tracking.create_run(experiment, name="r", user="", started=1).result().info
    tracking.delete_run(run.id, at=OLD).result()
    freed = service.free(BEFORE)
    assert freed.runs == (run.id,)
    assert artifacts.usage("") == (1, 1)


def test_logged_models_go_unless_they_are_registered(store, artifacts, service):
    for number in (1, 2, 3):
        store.logged_models.create_logged_model(a_model(number)).result()
        put(artifacts, f"0/models/m-{number}/artifacts/x", b"12345")
    store.registered.create_model("r", change(1)).result()
    location = "mlflow-artifacts:/0/models/m-2/artifacts"
    store.registered.create_version("r", NewVersion(location, location, model_id="m-2"), change(2)).result()
    for number in (1, 2):
        store.logged_models.delete_logged_model(f"m-{number}", at=OLD).result()
    assert service.find(BEFORE) == service.free(BEFORE) == Garbage(models=("m-1",), files=1, bytes=5)
    assert [file.name for file in artifacts.list("0/models")] == ["m-2", "m-3"]
    assert store.logged_models.get_logged_model("m-2", deleted=True).id == "m-2"


def test_files_of_versions_outlive_their_run(store, tracking, artifacts, service):
    run = made(tracking, artifacts)
    store.registered.create_model("r", change(1)).result()
    location = f"{run.artifact_uri}/model"
    store.registered.create_version("r", NewVersion(location, location, run=run.id), change(2)).result()
    tracking.delete_run(run.id, at=OLD).result()
    place = run.artifact_uri.removeprefix("mlflow-artifacts:/")
    assert service.find(BEFORE) == service.free(BEFORE) == Garbage(runs=(run.id,), needed=(place,))
    assert artifacts.usage("") == (1, 5)
    assert service.free(BEFORE).needed == (f"0/{run.id}",)
    assert artifacts.usage("") == (1, 5)
