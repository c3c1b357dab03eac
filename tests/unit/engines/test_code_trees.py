from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from treadle.domain.errors import CorruptData, NotFound
from treadle.domain.models import CodeTree
from treadle.engines.local.code_trees import LocalCodeTrees
from treadle.engines.local.packing import pack
from treadle.engines.local.runtime_tree import runtime_tree
from treadle.storage.blobs.obstore_blobs import ObstoreBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> ObstoreBlobs:
    return ObstoreBlobs(tmp_path / "blobs")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    for name in ("model.py", "parts/code.py", "parts/words.txt", "data/a.csv", "rows.parquet", ".secret", "tests/t.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder / "model.py"


def test_code_is_copied_and_data_is_linked(tmp_path: Path, blobs: ObstoreBlobs, model: Path) -> None:
    tree = pack(model, blobs)
    folder = Path(LocalCodeTrees(tmp_path / "home", blobs).checkout(tree))
    assert folder == tmp_path / "home" / "code" / tree.digest
    assert (folder / "model.py").read_text() == "model.py"
    assert not (folder / "model.py").is_symlink()
    assert not (folder / "parts").is_symlink()
    assert (folder / "parts" / "words.txt").is_symlink()
    assert (folder / "rows.parquet").read_text() == "rows.parquet"
    assert (folder / "data" / "a.csv").read_text() == "data/a.csv"
    assert sorted(path.name for path in folder.iterdir()) == ["data", "model.py", "parts", "rows.parquet"]


def test_later_changes_of_the_code_do_not_reach_the_tree_but_those_of_data_do(
    tmp_path: Path, blobs: ObstoreBlobs, model: Path
) -> None:
    tree = pack(model, blobs)
    trees = LocalCodeTrees(tmp_path / "home", blobs)
    trees.checkout(tree)
    model.write_text("changed")
    (model.parent / "rows.parquet").unlink()
    (model.parent / "new.csv").write_text("new")
    folder = trees.folder(tree.digest, tree.root)
    assert (folder / "model.py").read_text() == "model.py"
    assert sorted(path.name for path in folder.iterdir()) == ["data", "model.py", "new.csv", "parts"]


def test_equal_code_elsewhere_is_linked_to_the_root_that_asks(tmp_path: Path, blobs: ObstoreBlobs, model: Path) -> None:
    tree = pack(model, blobs)
    trees = LocalCodeTrees(tmp_path / "home", blobs)
    trees.checkout(tree)
    other = tmp_path / "other"
    other.mkdir()
    (other / "rows.parquet").write_text("other")
    folder = Path(trees.checkout(replace(tree, root=str(other))))
    assert (folder / "rows.parquet").read_text() == "other"
    assert not (folder / "data").exists()
    assert (folder / "parts" / "code.py").exists()


def test_paths_that_lead_out_and_missing_code_are_refused(tmp_path: Path, blobs: ObstoreBlobs) -> None:
    trees = LocalCodeTrees(tmp_path / "home", blobs)
    with pytest.raises(CorruptData, match="leads out"):
        trees.checkout(CodeTree("model.py", {"../x.py": blobs.put(b"x")}, "a" * 64, ""))
    assert not (tmp_path / "home" / "x.py").exists()
    for digest in ("b" * 64, "../..", ""):
        with pytest.raises(NotFound):
            trees.folder(digest)


def test_the_runtime_has_only_what_runs_in_environments(tmp_path: Path) -> None:
    folder = runtime_tree(tmp_path)
    assert runtime_tree(tmp_path) == folder
    parts = {path.relative_to(folder / "treadle").parts[0] for path in folder.rglob("*.py")}
    assert parts == {"__init__.py", "domain", "runner", "sdk", "spec"}
    assert {path.name for path in (folder / "treadle" / "sdk").iterdir()} == {"__init__.py", "addresses.py", "tracking"}
    assert [path.name for path in (tmp_path / "runtime").iterdir()] == [folder.name]
