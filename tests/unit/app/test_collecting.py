import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from treadle.app.collecting import collect, lines, parse_age
from treadle.app.processes import alone, together
from treadle.domain.errors import Conflict, InvalidInput
from treadle.storage.artifacts.local_artifacts import LocalArtifacts
from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
from treadle.storage.sql.store import SqlStore
from treadle.testing.contracts.artifacts import put

AGE = timedelta(days=30)


@pytest.fixture
def home(tmp_path):
    found = tmp_path / "home"
    found.mkdir()
    return found


def aged(path: Path) -> None:
    long_ago = (datetime.now(UTC) - 2 * AGE).timestamp()
    os.utime(path, (long_ago, long_ago))


def kept_and_spare(home: Path) -> tuple[list[str], list[str]]:
    """Blobs and code trees: named by a record, named by a blob that is, young, and named by nobody."""
    blobs = ObstoreBlobs(home / "blobs")
    part = blobs.put(b"a part")
    manifest = blobs.put(json.dumps({"padding": " " * 5_000_000, "parts": [part]}).encode())
    store = SqlStore(f"sqlite:///{home / 'treadle.db'}")
    store.register.put("something", f"deep in a text {manifest}, sir")
    store.close()
    young, spare = blobs.put(b"young"), blobs.put(b"spare")
    for digest in (part, manifest, spare):
        aged(blobs.path(digest))
    for name in (manifest, "a" * 64, "not-a-digest"):
        (home / "code" / name).mkdir(parents=True)
        aged(home / "code" / name)
    return [part, manifest, young], [spare]


def old_run(home: Path) -> str:
    store = SqlStore(f"sqlite:///{home / 'treadle.db'}")
    run = store.tracking.create_run("0", name="r", user="", started=1).result().info
    put(LocalArtifacts(home / "artifacts"), run.artifact_uri.removeprefix("mlflow-artifacts:/") + "/x", b"12345")
    long_ago = datetime.now(UTC) - 2 * AGE
    store.tracking.delete_run(run.id, at=int(long_ago.timestamp() * 1000)).result()
    store.close()
    return run.id


def test_what_nothing_names_goes(home):
    kept, spare = kept_and_spare(home)
    run = old_run(home)
    blobs = ObstoreBlobs(home / "blobs")
    told = collect(home, older_than=AGE, dry_run=True)
    assert (told.leftovers.blobs, told.leftovers.code_trees) == (1, 1)
    assert (told.tracking.runs, told.tracking.files, told.kept) == ((run,), 1, ())
    assert all(blobs.has(digest) for digest in (*kept, *spare))
    done = collect(home, older_than=AGE, dry_run=False)
    assert (done.leftovers, done.tracking) == (told.leftovers, told.tracking)
    assert [blobs.has(digest) for digest in (*kept, *spare)] == [True, True, True, False]
    assert {path.name for path in (home / "code").iterdir()} == {kept[1], "not-a-digest"}
    assert LocalArtifacts(home / "artifacts").usage("") == (0, 0)
    assert list(lines(collect(home, older_than=AGE, dry_run=False))) == ["freed nothing (0.0 MB)"]


def test_blobs_stay_while_somebody_uses_the_home(home):
    _, spare = kept_and_spare(home)
    run = old_run(home)
    with together(home / "use.lock"):
        done = collect(home, older_than=AGE, dry_run=False)
    assert done.tracking.runs == (run,)
    assert done.kept == ("blobs and code trees: a server or a run uses this home",)
    assert ObstoreBlobs(home / "blobs").has(spare[0])


@pytest.mark.parametrize("text", ["", "d", "30", "30 d", "1d2w", "-1d", "1e9d", "٣d", "9999999d"])
def test_ages_that_are_none(text):
    with pytest.raises(InvalidInput):
        parse_age(text)


def test_ages():
    assert parse_age("30d") == AGE
    assert parse_age("1w2d3h4m5s") == timedelta(days=9, hours=3, minutes=4, seconds=5)
    assert parse_age("0s") == timedelta()


def test_no_home_is_made(tmp_path):
    with pytest.raises(InvalidInput):
        collect(tmp_path / "nothing", older_than=AGE, dry_run=False)
    assert not (tmp_path / "nothing").exists()


def test_many_may_hold_together_what_one_cannot_hold_alone(tmp_path):
    lock = tmp_path / "lock"
    with together(lock), together(lock), pytest.raises(Conflict), alone(lock):
        pass
    with alone(lock), pytest.raises(Conflict), together(lock):
        pass
