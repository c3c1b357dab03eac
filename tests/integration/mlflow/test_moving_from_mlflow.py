"""Importing what real MLflow 2 and 3 wrote (see sources/README.md), and exporting it again."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from control_server import control_server

from treadle.domain.errors import InvalidInput
from treadle.sdk.mlflow.moving import MOVED_TAG, Moved, Mover
from treadle.sdk.mlflow.open import open_source
from treadle.sdk.mlflow.rest import Remote
from treadle.sdk.mlflow.target import Target

SOURCES = Path(__file__).parent / "sources"
DATABASE, FOLDER = "mlflow3-server/mlflow.db", "mlflow2-folder/mlruns"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for archive in SOURCES.glob("*.tar.xz"):
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Any]:
    with control_server(tmp_path / "home") as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Any]:
    """Opens sources that are closed in the end."""
    with ExitStack() as held:
        yield lambda text: held.enter_context(closing(open_source(text)))


def uri(sources: Path, name: str) -> str:
    return f"sqlite:///{sources / name}" if name.endswith(".db") else str(sources / name)


def move(source: Any, url: str, told: Any = lambda _what: None) -> Moved:
    with closing(Remote(url)) as remote:
        return Mover(source, Target(remote), told).move()


@pytest.mark.parametrize(("name", "models"), [(DATABASE, 2), (FOLDER, 0)])
def test_everything_arrives_and_is_moved_once(sources: Path, empty: Any, opened: Any, name: str, models: int) -> None:
    source = opened(uri(sources, name))
    moved = move(source, empty.url)
    assert moved.problems == []
    assert (moved.experiments, moved.runs, moved.logged_models) == (3, 7, models)
    assert (moved.registered_models, moved.versions) == (1, 2)
    there = opened(empty.url)
    for experiment in source.experiments():
        (found,) = (other for other in there.experiments() if other.name == experiment.name)
        assert found.active == experiment.active
        assert experiment.tags.items() <= found.tags.items()
        runs = {run.id: run for run in there.runs(found.id)}
        for run in source.runs(experiment.id):
            arrived = runs[run.id]
            assert (arrived.name, arrived.status, arrived.active) == (run.name, run.status, run.active)
            assert arrived.params == run.params
            assert {key: value for key, value in arrived.tags.items() if key != MOVED_TAG} == dict(run.tags)
            before, after = ({(p.key, p.step, p.timestamp, repr(p.value)) for p in s} for s in (
                source.points(run), there.points(arrived)))  # fmt: skip
            assert after == before
            assert [d.name for d in arrived.datasets] == [d.name for d in run.datasets]
            assert [one.path for one in there.artifacts(arrived)] == [one.path for one in source.artifacts(run)]
    (model,), (before_model,) = there.registered(), source.registered()
    assert (model.name, model.description, model.tags) == (
        before_model.name, before_model.description, before_model.tags)  # fmt: skip
    assert model.aliases == before_model.aliases == {"champion": 3}
    assert {v.number: (v.stage, v.description, v.run) for v in model.versions} == {
        v.number: (v.stage, v.description, v.run) for v in before_model.versions
    }
    again = move(source, empty.url)
    assert again.problems == []
    assert (again.runs, again.known, again.points, again.artifacts, again.versions) == (0, 7, 0, 0, 0)


def test_a_move_that_was_stopped_goes_on(sources: Path, empty: Any, opened: Any) -> None:
    source = opened(uri(sources, DATABASE))
    heard: list[str] = []

    def stop(what: str) -> None:
        heard.append(what)
        if len(heard) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, empty.url, stop)
    moved = move(source, empty.url)
    assert moved.problems == []
    assert (moved.known, moved.runs) == (3, 4)


def test_one_server_to_another(sources: Path, empty: Any, opened: Any, tmp_path: Path) -> None:
    move(opened(uri(sources, DATABASE)), empty.url)
    with control_server(tmp_path / "second") as second:
        moved = move(opened(empty.url), second.url)
    assert moved.problems == []
    assert (moved.runs, moved.logged_models, moved.versions) == (7, 2, 2)


def test_what_is_damaged_or_missing_is_told_and_the_rest_arrives(
    sources: Path, empty: Any, opened: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(sources / "mlflow3-server", folder)
    shutil.rmtree(folder / "mlartifacts")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("UPDATE runs SET artifact_uri = 's3://bucket/' || run_uuid WHERE name = 'run1'")
    moved = move(opened(f"sqlite:///{folder / 'mlflow.db'}"), empty.url)
    assert any("s3://bucket/" in problem and "is not on this machine" in problem for problem in moved.problems)
    assert any("say with --artifacts where the server keeps them" in problem for problem in moved.problems)
    assert len(list(opened(empty.url).experiments())) == 3


@pytest.mark.parametrize("text", ["postgresql://host/db", "nowhere", "sqlite:///nowhere.db", "ftp://x"])
def test_what_is_no_source(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput):
        open_source(text)


def test_a_database_of_something_else(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE pets (name TEXT)")
    with pytest.raises(InvalidInput, match="no database of MLflow"):
        open_source(str(tmp_path / "other.db"))
    (tmp_path / "text.db").write_text("no database at all, whatever its name says")
    with pytest.raises(InvalidInput, match="no SQLite database"):
        open_source(str(tmp_path / "text.db"))
