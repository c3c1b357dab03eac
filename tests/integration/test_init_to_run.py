"""What `treadle init` writes, `treadle run` accepts unchanged: with real environments and real step processes."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets

from treadle.app.local_run import run_file
from treadle.domain.errors import InvalidInput, NotFound
from treadle.domain.gates import Verdict
from treadle.domain.runs import RunStatus
from treadle.scaffold.guess import Wishes
from treadle.scaffold.project import create


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all: the environment is built once."""
    return tmp_path_factory.mktemp("home")


def csv_of(loader: Any, path: Path) -> Path:
    out = io.StringIO()
    loader(as_frame=True).frame.to_csv(out, index=False)
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def test_the_sample_tuned_by_its_candidates(tmp_path: Path, home: Path) -> None:
    create(tmp_path)
    done = run_file(tmp_path / "model.py", home=home, tune=5)
    assert (done.model, done.run.status, done.gates.verdict) == ("parcels", RunStatus.FINISHED, Verdict.PASS)
    names = [candidate.name for candidate in done.leaderboard]
    assert names[-2:] == ["baseline: constant", "baseline: linear"]
    assert len({candidate.params.get("candidate") for candidate in done.leaderboard[:-2]}) > 1
    assert all(candidate.state == "complete" for candidate in done.leaderboard)


def test_a_search_that_was_stopped_goes_on_where_it_was(tmp_path: Path, home: Path) -> None:
    create(tmp_path)
    said: list[str] = []

    def stop(stage: str, _done: int | None, _total: int | None, detail: str) -> None:
        said.append(detail)
        if stage.startswith("trial 2 of 4"):
            raise KeyboardInterrupt

    model = tmp_path / "model.py"
    with pytest.raises(KeyboardInterrupt):
        run_file(model, home=home, tune=4, told=stop)
    assert said[-1].startswith(f"go on with: treadle run {model} --tune 4 --resume run-parcels-")
    stopped = said[-1].rpartition(" ")[2]
    with pytest.raises(InvalidInput, match="goes on with a search"):
        run_file(model, home=home, resume=stopped)
    with pytest.raises(NotFound, match="no run 'run-nosuch'"):
        run_file(model, home=home, tune=4, resume="run-nosuch")
    with pytest.raises(InvalidInput, match="was on other rows"):
        run_file(model, home=home, tune=4, resume=stopped, as_of=datetime(2024, 8, 1, tzinfo=UTC))
    stages: list[str] = []
    done = run_file(model, home=home, tune=4, resume=stopped, told=lambda stage, *_: stages.append(stage))
    assert (done.run.id, done.run.status, len(done.leaderboard)) == (stopped, RunStatus.FINISHED, 6)
    with pytest.raises(InvalidInput, match="nothing to resume"):
        run_file(model, home=home, tune=6, resume=stopped)


@pytest.mark.parametrize(
    ("loader", "task", "verdicts"),
    [
        (sklearn.datasets.load_breast_cancer, "binary", {Verdict.PASS}),
        (sklearn.datasets.load_iris, "multiclass", {Verdict.PASS, Verdict.NOT_ENOUGH_DATA}),
        (sklearn.datasets.load_diabetes, "regression", {Verdict.PASS}),
    ],
)
def test_a_table_without_times(tmp_path: Path, home: Path, loader: Any, task: str, verdicts: set[Verdict]) -> None:
    data = csv_of(loader, tmp_path / f"{loader.__name__}.csv")
    made = create(tmp_path / "project", data=data, wishes=Wishes("target"))
    assert made.plan.label.task == task
    done = run_file(tmp_path / "project" / "model.py", home=home)
    assert done.run.status is RunStatus.FINISHED
    assert done.gates.verdict in verdicts
