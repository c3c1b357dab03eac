from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle.domain.errors import Conflict, InvalidInput


def values(run: dict[str, Any], key: str) -> list[Any]:
    return [value for _, value, _ in sorted(run["metrics"][key])]


def test_what_a_run_logs_arrives(server: Any, spool: Path) -> None:
    with treadle.run("rides", name="first", params={"rate": 0.1, "net": {"depth": 3}}, tags={"why": "trial"}) as run:
        for i in range(3000):
            run.log(loss=1 / (i + 1))
        run.log({"auc": 0.9, "by": {"day": 1}}, step=7)
        run.params["seed"] = 42
        run.params(epochs=3)
        run.note("**good**")
    found = server.only_run()
    assert found["info"]["run_id"] == run.id
    assert found["info"]["run_name"] == "first"
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["end_time"] >= found["info"]["start_time"]
    assert server.experiments == {"rides": found["info"]["experiment_id"]}
    assert values(found, "loss") == [1 / (i + 1) for i in range(3000)]
    assert [step for step, _, _ in sorted(found["metrics"]["loss"])] == list(range(3000))
    assert [(step, value) for step, value, _ in found["metrics"]["auc"]] == [(7, 0.9)]
    assert [(step, value) for step, value, _ in found["metrics"]["by/day"]] == [(7, 1.0)]
    assert found["params"] == {"rate": "0.1", "net.depth": "3", "seed": "42", "epochs": "3"}
    assert found["tags"]["why"] == "trial"
    assert found["tags"]["mlflow.note.content"] == "**good**"
    assert not [path for path in spool.iterdir() if path.is_dir()]


def test_points_fill_several_segments_from_several_threads(server: Any) -> None:
    with treadle.run() as run:

        def work(number: int) -> None:
            for i in range(5000):
                run.log({f"m{number}": float(i)}, step=i)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = server.only_run()["metrics"]
    assert {key: values(server.only_run(), key) for key in found} == {
        f"m{n}": [float(i) for i in range(5000)] for n in range(4)
    }


def test_nan_and_infinities_are_said_as_the_protocol_has_them(server: Any) -> None:
    with treadle.run() as run:
        run.log(a=math.nan, b=math.inf, c=-math.inf, d=True, e=3)
    found = server.only_run()
    assert {key: values(found, key) for key in "abcde"} == {
        "a": ["NaN"],
        "b": ["Infinity"],
        "c": ["-Infinity"],
        "d": [1.0],
        "e": [3.0],
    }


def test_what_cannot_be_logged_is_said_at_once(server: Any) -> None:
    with treadle.run() as run:
        with pytest.raises(InvalidInput, match=r"metric 'loss' is 'low', which is no number"):
            run.log(loss="low")
        with pytest.raises(InvalidInput, match=r"1\.5 is no step"):
            run.log(loss=1.0, step=1.5)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="cannot be the name of a metric"):
            run.log({"../up": 1.0})
        with pytest.raises(InvalidInput, match="cannot be the name of a param"):
            run.params["a" * 251] = 1
        with pytest.raises(InvalidInput, match="no path within a run"):
            run.artifact(b"x", "../../etc/passwd")
        with pytest.raises(InvalidInput, match="does not exist"):
            run.artifact("nowhere.txt")
        run.params["rate"] = 0.1
        run.params["rate"] = 0.1
        with pytest.raises(Conflict, match=r"param 'rate' is 0\.1 and cannot become '0\.2'"):
            run.params["rate"] = 0.2
        run.log(loss=2.0, step=3)
    assert values(server.only_run(), "loss") == [2.0]
    with pytest.raises(InvalidInput, match="is over"):
        run.log(loss=1.0)
    with pytest.raises(InvalidInput, match="is over"):
        run.tags["late"] = 1


def test_artifacts_are_kept_as_they_were(server: Any, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a b.txt").write_text("one")
    file = tmp_path / "weights.bin"
    file.write_bytes(b"before")
    with treadle.run() as run:
        run.artifact(file)
        file.write_bytes(b"after")
        run.artifact(folder, "out")
        run.artifact(b"{}", "conf/x.json")
    assert server.only_run()["files"] == {"weights.bin": b"before", "out/deep/a b.txt": b"one", "conf/x.json": b"{}"}


def test_tables_are_those_of_mlflow(server: Any) -> None:
    import pandas as pd
    import polars as pl

    with treadle.run() as run:
        run.table({"a": [1, 2], "b": ["x", None]}, "columns")
        run.table([{"a": 1}, {"b": 2.5}], "rows.json")
        run.table(pl.DataFrame({"a": [1], "b": ["x"]}), "polars")
        run.table(pd.DataFrame({"a": [1], "b": ["x"]}), "pandas")
        with pytest.raises(InvalidInput, match="a int is no table"):
            run.table(3, "three")
    found = server.only_run()
    tables = {path: json.loads(data) for path, data in found["files"].items()}
    assert tables == {
        "columns.json": {"columns": ["a", "b"], "data": [[1, "x"], [2, None]]},
        "rows.json": {"columns": ["a", "b"], "data": [[1, None], [None, 2.5]]},
        "polars.json": {"columns": ["a", "b"], "data": [[1, "x"]]},
        "pandas.json": {"columns": ["a", "b"], "data": [[1, "x"]]},
    }
    assert [table["path"] for table in json.loads(found["tags"]["mlflow.loggedArtifacts"])] == list(tables)


def test_figures_are_kept_in_the_format_that_their_path_says(server: Any) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    with treadle.run() as run:
        run.figure(figure, "plots/curve.png")
        run.figure(figure.axes[0], "plots/curve.svg")
        with pytest.raises(InvalidInput, match="cannot be kept as"):
            run.figure("text", "plots/x.png")
        with pytest.raises(InvalidInput, match="does not say which format"):
            run.figure(figure, "curve")
    files = server.only_run()["files"]
    assert files["plots/curve.png"].startswith(b"\x89PNG")
    assert b"<svg" in files["plots/curve.svg"]


def test_runs_within_runs_are_nested(server: Any) -> None:
    with treadle.run(name="outer") as outer, treadle.run(name="inner") as inner:
        beside = treadle.run(name="by hand", parent=outer)
        beside.finish()
    alone = treadle.run(name="alone")
    alone.finish("KILLED")
    assert outer.parent is None
    assert inner.parent == outer.id
    found = {run["info"]["run_name"]: run for run in server.runs.values()}
    assert found["inner"]["tags"]["mlflow.parentRunId"] == outer.id
    assert found["by hand"]["tags"]["mlflow.parentRunId"] == outer.id
    assert "mlflow.parentRunId" not in found["alone"]["tags"]
    assert found["alone"]["info"]["status"] == "KILLED"


def test_an_exception_in_the_with_statement_is_a_failure(server: Any) -> None:
    with pytest.raises(ZeroDivisionError), treadle.run() as run:
        run.log(loss=1 / 0)
    assert server.only_run()["info"]["status"] == "FAILED"


def test_going_on_with_a_run(server: Any) -> None:
    with treadle.run() as first:
        first.log(loss=1.0, step=0)
    with treadle.run(id=first.id) as again:
        again.flush()
        assert server.only_run()["info"]["status"] == "RUNNING"
        again.log(loss=0.5, step=1)
    assert values(server.only_run(), "loss") == [1.0, 0.5]
    assert server.only_run()["info"]["status"] == "FINISHED"
    with pytest.raises(InvalidInput, match="no id of a run"):
        treadle.run(id="a/b")


def test_a_run_of_an_experiment_named_by_the_environment(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_EXPERIMENT", "from/outside")
    treadle.run().finish()
    assert list(server.experiments) == ["from/outside"]


def test_surroundings_are_kept(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with treadle.run(capture=True):
        print("said by the program")
    found = server.only_run()
    assert found["tags"]["mlflow.source.type"] == "LOCAL"
    assert {"treadle.host", "treadle.command", "treadle.python", "mlflow.user"} <= found["tags"].keys()
    assert b"said by the program\n" in found["files"]["output.log"]
    assert b"\nnumpy==" in found["files"]["environment/requirements.txt"]
    assert capsys.readouterr().out == "said by the program\n"
    with pytest.raises(InvalidInput, match="capture has no weather"):
        treadle.run(capture=["weather"])


def test_git_commit_and_diff_are_kept(server: Any, tmp_path: Path, script: Any) -> None:
    import subprocess

    folder = tmp_path / "repo"
    folder.mkdir()

    def git(*arguments: str) -> str:
        names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    (folder / "notes.txt").write_text("one\n")
    git("init", "-q", "-b", "trunk")
    git("add", ".")
    git("commit", "-qm", "first")
    git("remote", "add", "origin", "https://me:secret@example.org/repo.git")
    (folder / "notes.txt").write_text("two\n")
    program = "import treadle, sys\ntreadle.run(capture=['git', 'host'])\n"
    (folder / "program.py").write_text(program)
    import os
    import sys

    command = [sys.executable, "program.py", "--api-key", "hidden", "--token=hidden", "--rate", "3"]
    subprocess.run(command, cwd=folder, env=dict(os.environ), check=True, timeout=60)
    found = server.only_run()
    assert found["tags"]["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert found["tags"]["mlflow.source.git.branch"] == "trunk"
    assert found["tags"]["mlflow.source.git.repoURL"] == "https://example.org/repo.git"
    assert b"+two" in found["files"]["source/diff.patch"]
    assert found["tags"]["treadle.command"].endswith("program.py --api-key *** --token=*** --rate 3")
    assert "hidden" not in json.dumps(found["tags"])
