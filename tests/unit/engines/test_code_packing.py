from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from treadle.domain.errors import InvalidInput, NotFound
from treadle.engines.local.packing import MAX_FILES, find_code


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")


def test_the_model_file_and_the_code_beside_and_below_it(tmp_path: Path) -> None:
    write(tmp_path, "model.py", "helper.py", "parts/deep/more.py", "data.csv")
    write(
        tmp_path, ".hidden/x.py", "tests/t.py", "test_model.py", "conftest.py", "__pycache__/x.py", "node_modules/x.py"
    )
    write(tmp_path, "env/pyvenv.cfg", "env/x.py", "home/treadle.db", "home/code/x.py")
    found = find_code(tmp_path / "model.py")
    assert found.entry == "model.py"
    assert list(found.files) == ["helper.py", "model.py", "parts/deep/more.py"]
    assert found.root == tmp_path
    assert found.commit is None


def test_a_package_comes_whole(tmp_path: Path) -> None:
    write(tmp_path, "pack/__init__.py", "pack/sub/__init__.py", "pack/sub/model.py", "pack/other.py", "beside.py")
    found = find_code(tmp_path / "pack" / "sub" / "model.py")
    assert found.entry == "pack/sub/model.py"
    assert list(found.files) == ["pack/__init__.py", "pack/other.py", "pack/sub/__init__.py", "pack/sub/model.py"]
    assert found.root == tmp_path


def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a/model.py", "secret.py")
    (tmp_path / "a" / "link.py").symlink_to(tmp_path / "secret.py")
    assert list(find_code(tmp_path / "a" / "model.py").files) == ["model.py"]


def test_what_is_no_model_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "model.txt", "m/model.py", *(f"m/part{i}.py" for i in range(MAX_FILES)))
    with pytest.raises(NotFound, match="no file"):
        find_code(tmp_path / "model.py")
    with pytest.raises(InvalidInput, match="no Python file"):
        find_code(tmp_path / "model.txt")
    with pytest.raises(InvalidInput, match="more than") as caught:
        find_code(tmp_path / "m" / "model.py")
    assert "folder of its own" in caught.value.hint


def test_the_commit_and_whether_the_code_differs(tmp_path: Path) -> None:
    write(tmp_path, "model.py")
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "model.py"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    found = find_code(tmp_path / "model.py")
    assert found.commit is not None
    assert len(found.commit) == 40
    assert not found.dirty
    (tmp_path / "model.py").write_text("# changed\n")
    assert find_code(tmp_path / "model.py").dirty
