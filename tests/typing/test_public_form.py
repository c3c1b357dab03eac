"""The public form, checked as a user's file would be: see README.md beside this file."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api as mypy

from treadle.domain.errors import DeclarationError

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src"
CORRECT = ("correct.py", "runs.py")
FILES = (*(HERE / name for name in CORRECT), HERE / "mistakes.py")
RAISED = sorted((HERE / "raised").glob("*.py"))

Reports = dict[str, dict[int, str]]


def marked(file: Path, marker: str) -> dict[int, str]:
    """The mistakes that a file marks, by line."""
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
    return {number: line.split(marker)[1].strip() for number, line in lines if marker in line}


@pytest.fixture(scope="module")
def mypy_reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    folder = tmp_path_factory.mktemp("mypy")
    config = folder / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {SOURCE}\ndisable_error_code = import-untyped\n", encoding="utf-8")
    out, err, _ = mypy.run(
        ["--config-file", str(config), "--cache-dir", str(folder / "cache"), "--no-pretty", *map(str, FILES)]
    )
    assert not err, err
    reports: Reports = {file.name: {} for file in FILES}
    for path, line, text in re.findall(r"^(.+?):(\d+): error: (.*)$", out, flags=re.MULTILINE):
        reports[Path(path).name][int(line)] = text
    return reports


@pytest.fixture(scope="module")
def pyright_reports() -> Reports:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, FILES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=SOURCE.parent,
    )
    answer = json.loads(done.stdout)
    assert answer["summary"]["filesAnalyzed"] == len(FILES), done.stdout
    reports: Reports = {file.name: {} for file in FILES}
    for found in answer["generalDiagnostics"]:
        if found["severity"] == "error":
            reports[Path(found["file"]).name][found["range"]["start"]["line"] + 1] = found["message"]
    return reports


def test_mypy_accepts_correct_code(mypy_reports: Reports) -> None:
    assert {name: mypy_reports[name] for name in CORRECT} == {name: {} for name in CORRECT}


def test_pyright_accepts_correct_code(pyright_reports: Reports) -> None:
    assert {name: pyright_reports[name] for name in CORRECT} == {name: {} for name in CORRECT}


def test_correct_code_runs() -> None:
    names = runpy.run_path(str(HERE / "correct.py"))
    assert names["value"] == 120
    assert names["doubled"] == 200
    assert names["good"] is True


def test_mypy_reports_every_mistake_and_nothing_else(mypy_reports: Reports) -> None:
    expected, found = marked(HERE / "mistakes.py", "# caught:"), mypy_reports["mistakes.py"]
    assert {n: m for n, m in expected.items() if n not in found} == {}
    assert {n: m for n, m in found.items() if n not in expected} == {}


def test_pyright_reports_every_mistake_and_nothing_else(pyright_reports: Reports) -> None:
    expected, found = marked(HERE / "mistakes.py", "# caught:"), pyright_reports["mistakes.py"]
    assert {n: m for n, m in expected.items() if n not in found} == {}
    assert {n: m for n, m in found.items() if n not in expected} == {}


@pytest.mark.parametrize("file", RAISED, ids=[f.stem for f in RAISED])
def test_mistake_is_raised_at_import(file: Path) -> None:
    ((line, _),) = marked(file, "# raised:").items()
    with pytest.raises(DeclarationError) as caught:
        runpy.run_path(str(file))
    assert (caught.value.file, caught.value.line) == (str(file), line)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert caught.value.hint


def test_the_list_says_who_reports_each_mistake() -> None:
    table = (HERE / "README.md").read_text(encoding="utf-8")
    for wanted in (
        "misspelt column", "string threshold", "bare bool", "int as a duration", "swapped `fit(params, rows)`",
        "arithmetic on a nullable column", "wrong arity or return", "`and`, `or`, `not` on gates", "chained comparison",
        "another model's column", "reading the label inside features", "bad search range",
    ):  # fmt: skip
        assert wanted in table
