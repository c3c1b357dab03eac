"""The text of model files: one kept to be read, all of them typed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api as mypy

import treadle
from treadle.scaffold import sample
from treadle.scaffold.guess import Wishes, guess
from treadle.scaffold.layout import bracketed, call, columns, docstring, lines
from treadle.scaffold.plan import ModelPlan
from treadle.scaffold.profile import profile_file
from treadle.scaffold.surroundings import test_file as project_test
from treadle.scaffold.write import write_model

GOLDEN = Path(__file__).parent / "golden" / "parcels_model.py.txt"
SOURCE = Path(treadle.__file__).parents[1]
N = 300
RNG = random.Random(0)


def drawn(*shown: str) -> str:
    """Lines of values, each drawn from those that stand in one text, parted by spaces."""
    return "".join(";".join(RNG.choice(values.split(" ")) for values in shown) + "\n" for _ in range(N))


TABLES = {
    "text_and_times": (sample.table(), "late"),
    "classes": ("a;b;c\n" + drawn("1 2.5 3", "x y z", "u v w"), "c"),
    "numbers": ("a;price;y\n" + drawn("1 2 3 4", "$1.50 $20 $1,000", "1 2 5 8 13 27 81"), "y"),
    "words": ("a;y\n" + drawn("r g b", "1 2 5 8 13 27 81"), "y"),
    "years": ("year,y\n" + "".join(f"{1700 + i},{RNG.random():.3f}\n" for i in range(N)), "y"),
    "flags": ("a;b;c;y\n" + drawn("yes no NA", "1 inf 2.5", "y n", "0 1"), "y"),
    "spaced": ("a;n;y\n" + drawn("1 2 3", "1 ? 3", "0.0 1.0").replace(";", " ; "), "y"),
}


def plan_of(folder: Path, name: str) -> ModelPlan:
    text, target = TABLES[name]
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return guess(profile_file(folder / f"{name}.csv"), Wishes(target))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Model files and their tests, each pair in a folder."""
    root, found = tmp_path_factory.mktemp("written"), []
    for name in TABLES:
        plan = plan_of(root, name)
        (root / name).mkdir()
        (root / name / "model.py").write_text(write_model(plan, f"{name}.csv"), encoding="utf-8")
        (root / name / "test_model.py").write_text(project_test(plan), encoding="utf-8")
        found.append(root / name)
    return found


def test_a_model_file_to_read(tmp_path: Path) -> None:
    (tmp_path / sample.FILE).write_text(sample.table(), encoding="utf-8")
    plan = guess(profile_file(tmp_path / sample.FILE), Wishes(sample.TARGET, name=sample.NAME))
    text = write_model(plan, sample.FILE)
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), "if it should be so: WRITE_GOLDEN=1 pytest, and read the change"


def test_mypy_accepts_every_form(written: list[Path], tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {SOURCE}\ndisable_error_code = import-untyped\n", encoding="utf-8")
    for folder in written:
        out, err, status = mypy.run(
            ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), str(folder / "model.py")]
        )
        assert status == 0, out + err


def test_pyright_accepts_every_form(written: list[Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable,
         *(str(folder / "model.py") for folder in written)],
        capture_output=True, text=True, check=False, cwd=SOURCE.parent, env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    answer = json.loads(done.stdout)
    errors = [f"{d['file']}: {d['message']}" for d in answer["generalDiagnostics"] if d["severity"] == "error"]
    assert answer["summary"]["filesAnalyzed"] == len(TABLES)
    assert not errors


def test_ruff_accepts_every_form(written: list[Path]) -> None:
    for arguments in (["format", "--diff"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", *map(str, written)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_items_that_fit_stand_on_one_line() -> None:
    assert lines(call("f", "1", "2"), indent=4, suffix=",") == ["    f(1, 2),"]
    long = "x" * 50
    assert lines(call("function", long, long[:30])) == ["function(", f"    {long}, {long[:30]}", ")"]
    assert lines(call("f", long, long)) == ["f(", f"    {long},", f"    {long},", ")"]
    assert lines(bracketed("a = ", [long, long[:34]])) == ["a = [", f"    {long},", f"    {long[:34]},", "]"]


def test_comments_that_do_not_fit_stand_above() -> None:
    assert lines("a = 1", comment="why") == ["a = 1  # why"]
    assert lines("a = 1", indent=4, comment="w" * 80) == ["    # " + "w" * 80, "    a = 1"]


@pytest.mark.parametrize("text", ["short", "word " * 40, "one\n\ntwo", "ends in a \\", 'says """x"""', "x" * 100])
def test_docstrings_are_text_whatever_they_say(text: str) -> None:
    found: dict[str, object] = {}
    exec("\n".join(["def f():", *docstring(text, indent=4)]), found)
    f = found["f"]
    assert isinstance(f.__doc__, str)
    assert f.__doc__.strip().startswith(text.split()[0][:4])


def test_every_table_is_a_different_form(tmp_path: Path) -> None:
    texts = [write_model(plan_of(tmp_path, name), f"{name}.csv") for name in TABLES]
    for mark in (
        "def flag(",
        "def number(",
        "def finite(",
        "def utc(",
        ".strip_chars()",
        'separator=";"',
        "pl.datetime(",
    ):
        assert any(mark in text for text in texts), mark


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("名前", 4), ("é", 1), ("e\u0301", 1), ("\uff26", 2)])
def test_columns_are_counted_as_formatters_count_them(text: str, width: int) -> None:
    assert columns(text) == width
