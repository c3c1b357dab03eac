"""What is written where, and never over what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import treadle
from treadle.cli.main import app
from treadle.domain.errors import Conflict, InvalidInput
from treadle.runner.loading import LoadedModel
from treadle.scaffold import project as projects
from treadle.scaffold import sample
from treadle.scaffold.guess import Wishes
from treadle.scaffold.project import create

WriteTable = Callable[..., Path]
Loaded = Callable[[Path], LoadedModel]
SourceRows = Callable[[LoadedModel], pl.DataFrame]

RIDES = "id,at,town,km,cnt\n" + "".join(
    f"{i},2024-{1 + i // 250:02d}-{1 + i % 28:02d} {i % 24:02d}:00,{'Ulm' if i % 3 else 'Bonn'},{i % 17},{i * 7 % 50}\n"
    for i in range(1500)
)


def test_a_project_for_a_table(
    tmp_path: Path, write_table: WriteTable, loaded: Loaded, source_rows: SourceRows
) -> None:
    made = create(tmp_path / "rides", data=write_table(RIDES, "rides.csv"), wishes=Wishes("cnt"))
    assert set(made.written) == {
        "rides.csv", "model.py", "tests/test_model.py", "README.md", "Makefile", ".github/workflows/ci.yml",
        ".gitignore", "rows.json",
    }  # fmt: skip
    model = loaded(tmp_path / "rides")
    assert (model.spec.name, model.spec.row, model.spec.key, model.spec.time) == ("rides", "Ride", "id", "at")
    assert source_rows(model).height == 1500


def test_the_projects_own_tests_pass(tmp_path: Path) -> None:
    create(tmp_path)
    source = str(Path(treadle.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": source, "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_nothing_is_overwritten(tmp_path: Path, write_table: WriteTable) -> None:
    data, folder = write_table(RIDES, "rides.csv"), tmp_path / "rides"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    made = create(folder, data=data, wishes=Wishes("cnt"))
    assert made.kept == ("README.md",)
    assert (folder / "README.md").read_text() == "mine"
    (folder / "model.py").write_text("mine")
    with pytest.raises(Conflict, match=r"has model\.py, tests/test_model\.py, rides\.csv already; nothing was written"):
        create(folder, data=data, wishes=Wishes("cnt"))
    assert (folder / "model.py").read_text() == "mine"
    create(folder, data=data, wishes=Wishes("cnt"), force=True)
    assert (folder / "model.py").read_text() != "mine"


def test_data_in_the_folder_is_not_copied(tmp_path: Path, write_table: WriteTable, loaded: Loaded) -> None:
    (tmp_path / "data").mkdir()
    data = write_table(RIDES, "data/rides.csv")
    before = data.stat().st_mtime_ns
    made = create(tmp_path, data=data, wishes=Wishes("cnt"))
    assert "rides.csv" not in made.written
    assert data.stat().st_mtime_ns == before
    assert 'Path(__file__).parent / "data/rides.csv"' in (tmp_path / "model.py").read_text()
    assert loaded(tmp_path).spec.name == "rides"


def test_large_data_stay_where_they_are(
    tmp_path: Path, write_table: WriteTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "LARGEST_COPY", 1000)
    data = write_table(RIDES, "rides.csv")
    create(tmp_path / "p", data=data, wishes=Wishes("cnt"))
    assert f'DATA = Path("{data.resolve()}")' in (tmp_path / "p" / "model.py").read_text()
    assert not (tmp_path / "p" / "rides.csv").exists()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="is a file, not a folder"):
        create(tmp_path / "file" / "below")


def test_the_sample_is_the_same_every_time(tmp_path: Path) -> None:
    assert sample.table() == sample.table()
    made = create(tmp_path)
    assert made.plan.label.task == "binary"
    assert [s.column for s in made.plan.suspects if s.sure] == ["delivered_at"]
    create(tmp_path, force=True)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".arrow", ".csv"])
def test_every_kind_of_file_is_read_alike(
    tmp_path: Path, loaded: Loaded, source_rows: SourceRows, write_table: WriteTable, suffix: str
) -> None:
    frame = pl.read_csv(write_table(RIDES, "rides.csv"), try_parse_dates=True)
    frame = frame.with_columns(small=pl.col("km").cast(pl.Int16), sort=pl.col("town").cast(pl.Categorical))
    frame = frame.with_columns(flag=pl.when(pl.col("id") % 5 != 0).then(pl.col("id") % 2 == 0), km=pl.col("km") + 0.5)
    path = tmp_path / f"table{suffix}"
    writers = {".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson, ".arrow": frame.write_ipc}
    writers.get(suffix, frame.write_csv)(path)
    create(tmp_path / suffix[1:], data=path, wishes=Wishes("cnt"))
    rows = source_rows(loaded(tmp_path / suffix[1:]))
    assert rows["flag"].to_list()[:4] == [None, 0.0, 1.0, 0.0]
    assert rows["at"][0].isoformat() == "2024-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "content",
    [
        RIDES.replace(",", ";"),
        "\ufeff" + RIDES,
        RIDES.replace("\n", " \n").replace(",", " , "),
        RIDES.replace("Ulm", "Köln").encode("cp1252"),
        RIDES.replace(",16,", ",?,").replace("Bonn", "N/A"),
        RIDES.replace("\n", "\n\n", 20),
        RIDES.replace("id,at,town", "id,at,id", 1),
        RIDES.replace(",km,", ',"km ""way""\nand back",', 1),
        RIDES.replace("2024-01", "2024/01").replace("2024-", "2024/").replace("/", "-"),
    ],
)
def test_awkward_text_is_read_by_the_model_as_by_init(
    tmp_path: Path, write_table: WriteTable, loaded: Loaded, source_rows: SourceRows, content: str | bytes
) -> None:
    made = create(tmp_path / "p", data=write_table(content, "rides.csv"), wishes=Wishes("cnt"))
    rows = source_rows(loaded(tmp_path / "p"))
    assert rows.height == made.plan.table.rows
    for planned in made.plan.columns:
        facts = made.plan.table.column(planned.name) if planned.name is not None else None
        if facts is not None and facts.kind in ("int", "float", "str") and facts.kind == planned.type:
            assert rows[planned.attribute].to_list() == facts.values.to_list()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["init", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_says_what_it_guessed(tmp_path: Path, write_table: WriteTable) -> None:
    told = run(str(tmp_path / "p"), "--data", str(write_table(RIDES, "rides.csv")), "--target", "cnt")
    assert "rides.csv: 1,500 rows, 5 columns" in told
    assert "regression" in told
    assert "treadle run model.py" in told


def test_the_command_as_json(tmp_path: Path, write_table: WriteTable) -> None:
    data = str(write_table(RIDES, "rides.csv"))
    told = json.loads(run(str(tmp_path / "p"), "--data", data, "--target", "cnt", "--name", "My Rides", "--json"))
    assert (told["model"], told["task"], told["decisions"][0]["subject"]) == ("my_rides", "regression", "task")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "cnt"], "--target needs a table"),
        (["--data", "none.csv", "--target", "cnt"], "does not exist"),
        (["--data", "DATA"], "which column"),
        (["--data", "DATA", "--target", "count"], "did you mean cnt?"),
    ],
)
def test_wrong_use_is_2(tmp_path: Path, write_table: WriteTable, arguments: list[str], said: str) -> None:
    data = str(write_table(RIDES, "rides.csv"))
    result = CliRunner().invoke(app, ["init", str(tmp_path / "p"), *(data if a == "DATA" else a for a in arguments)])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "p").exists()
