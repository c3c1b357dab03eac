from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import treadle

ROOT = Path(__file__).parents[3]
STANDARD = set(sys.stdlib_module_names) | {"treadle"}


def modules_after(statement: str) -> set[str]:
    """The modules that a bare interpreter holds after a statement and not before."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    source = str(ROOT / "src")
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {source!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_import_treadle_loads_nearly_nothing() -> None:
    assert {m for m in modules_after("import treadle") if m.startswith("treadle")} == {"treadle"}
    assert len(modules_after("import treadle")) < 10


def test_the_public_form_needs_the_standard_library_alone() -> None:
    loaded = modules_after("from treadle import Model, Row, Col, col, metrics, tune, Window, canary, Trial")
    assert {m.split(".")[0] for m in loaded} <= STANDARD


@pytest.mark.parametrize("name", treadle.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(treadle, name) is not None
    assert name in dir(treadle)


def test_checkers_and_the_interpreter_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "src/treadle/__init__.py").read_text(encoding="utf-8"))
    (guarded, *_) = [n for n in tree.body if isinstance(n, ast.If)]
    seen = {alias.asname for n in guarded.body if isinstance(n, ast.ImportFrom) for alias in n.names}
    assert seen | {"__version__"} == set(treadle.__all__)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Modle'; it has Col, Column"):
        _ = treadle.Modle  # type: ignore[attr-defined]


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert treadle.__version__ == project["version"]
