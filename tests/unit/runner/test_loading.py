from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from treadle.domain.errors import DeclarationError, NotFound
from treadle.runner.loading import KEPT, CodeLoader, module_name

MODEL = """
from treadle import Col, Model, Row, Window
{imports}

class Thing(Row):
    size: Col[float]
    good: Col[bool]

things = Model("{name}", Thing, label=Thing.good)

@things.source
def source(window: Window):
    import late_helper
    return late_helper.NAME

@things.train
def fit(rows):
    return Fitted()

class Fitted:
    NAME = "{name}"
"""


@pytest.fixture
def loader() -> Iterator[CodeLoader]:
    before, path = set(sys.modules), list(sys.path)
    loader = CodeLoader()
    yield loader
    loader._deactivate()
    assert sys.path == path
    assert not {name for name in set(sys.modules) - before if name in ("model", "helper", "late_helper", "pack")}


def tree(folder: Path, name: str, entry: str = "model.py", imports: str = "import helper") -> Path:
    root = folder / name
    file = root / entry
    file.parent.mkdir(parents=True)
    file.write_text(MODEL.replace("{name}", name).replace("{imports}", imports))
    (file.parent / "helper.py").write_text(f"NAME = {name!r}\n")
    (file.parent / "late_helper.py").write_text(f"NAME = {name!r}\n")
    return root


def test_two_models_do_not_meet(tmp_path: Path, loader: CodeLoader) -> None:
    one, two = tree(tmp_path, "one"), tree(tmp_path, "two")
    for _ in range(2):
        for name, folder in (("one", one), ("two", two)):
            loaded = loader.load(name, folder, "model.py")
            assert loaded.spec.name == name
            assert loaded.model.functions["source"](None) == name
            assert name == sys.modules["helper"].NAME
            copy = pickle.loads(pickle.dumps(loaded.model.functions["train"](None)))
            assert name == copy.NAME
            assert type(copy).__module__ == "model"


def test_a_tree_is_imported_once(tmp_path: Path, loader: CodeLoader) -> None:
    one, two = tree(tmp_path, "one"), tree(tmp_path, "two")
    first = loader.load("one", one, "model.py")
    loader.load("two", two, "model.py")
    assert loader.load("one", one, "model.py") is first


def test_old_trees_are_forgotten(tmp_path: Path, loader: CodeLoader) -> None:
    first = loader.load("0", tree(tmp_path, "m0"), "model.py")
    for i in range(1, KEPT + 1):
        loader.load(str(i), tree(tmp_path, f"m{i}"), "model.py")
    assert loader.load("0", tmp_path / "m0", "model.py") is not first


def test_names_of_modules(tmp_path: Path) -> None:
    (tmp_path / "pack" / "sub").mkdir(parents=True)
    for name in ("pack/__init__.py", "pack/sub/__init__.py"):
        (tmp_path / name).touch()
    assert module_name(tmp_path, "model.py") == ("model", tmp_path)
    assert module_name(tmp_path, "my-model.py") == ("my_model", tmp_path)
    assert module_name(tmp_path, "pack/sub/model.py") == ("pack.sub.model", tmp_path)
    assert module_name(tmp_path, "random.py") == ("treadle_model_random", tmp_path)
    assert module_name(tmp_path, "polars.py") == ("treadle_model_polars", tmp_path)


def test_a_model_in_a_package(tmp_path: Path, loader: CodeLoader) -> None:
    root = tree(tmp_path, "three", "pack/model.py", "from .helper import NAME")
    (root / "pack" / "__init__.py").touch()
    assert loader.load("three", root, "pack/model.py").module.NAME == "three"


def test_failed_imports_leave_nothing(tmp_path: Path, loader: CodeLoader) -> None:
    broken = tree(tmp_path, "broken", imports="import helper; raise OSError('no')")
    with pytest.raises(OSError, match="no"):
        loader.load("broken", broken, "model.py")
    assert "helper" not in sys.modules
    assert loader.load("fine", tree(tmp_path, "fine"), "model.py").spec.name == "fine"
    with pytest.raises(NotFound, match=r"nowhere\.py"):
        loader.load("x", tmp_path, "nowhere.py")
    (tmp_path / "empty.py").touch()
    with pytest.raises(DeclarationError, match="declares no model"):
        loader.load("y", tmp_path, "empty.py")
