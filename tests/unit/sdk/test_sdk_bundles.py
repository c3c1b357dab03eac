"""Which files go along with a model file."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from treadle.domain.errors import InvalidInput
from treadle.sdk.bundles import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "model.py", "features.py", "lib/__init__.py", "lib/deep/more.py", "notes.md", "data.parquet",
        ".hidden.py", ".git/hook.py", ".venv/x.py", "venv/x.py", "__pycache__/x.py", "tests/test_it.py",
        "test_model.py",
        "conftest.py", "node_modules/x.py", "build/x.py", "other-env/pyvenv.cfg", "other-env/lib/x.py",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True)


def test_modules_go_along_and_the_rest_stays(folder: Path) -> None:
    bundle = pack(folder / "model.py")
    assert list(bundle.files) == ["model.py", "features.py", "lib/__init__.py", "lib/deep/more.py"]
    assert (bundle.entry, bundle.root) == ("model.py", str(folder))
    assert bundle.files["features.py"] == b"# features.py\n"


def test_a_test_that_is_the_model_file_is_sent(folder: Path) -> None:
    assert "test_model.py" in pack(folder / "test_model.py").files


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "secret.py").write_text("")
    (folder / "linked").symlink_to(other)
    assert not [name for name in pack(folder / "model.py").files if name.startswith("linked")]


def test_text_goes_as_text_and_the_rest_as_base64(folder: Path) -> None:
    (folder / "features.py").write_bytes(b"# \xff\r\n")
    files = pack(folder / "model.py").to_request()["files"]
    assert files["model.py"] == {"text": "# model.py\n"}
    assert base64.b64decode(files["features.py"]["base64"]) == b"# \xff\r\n"


def test_the_commit_and_whether_files_differ(folder: Path) -> None:
    assert (pack(folder / "model.py").commit, pack(folder / "model.py").dirty) == (None, False)
    (folder / ".gitignore").write_text("data.parquet\n")
    (folder / ".git" / "hook.py").unlink()
    (folder / ".git").rmdir()
    git(folder, "init")
    git(folder, "add", "model.py", "features.py", "lib")
    git(folder, "commit", "-m", "first")
    clean = pack(folder / "model.py")
    assert clean.commit is not None
    assert (len(clean.commit), clean.dirty) == (40, False)
    (folder / "notes.md").write_text("changed")
    assert not pack(folder / "model.py").dirty
    (folder / "features.py").write_text("changed")
    assert pack(folder / "model.py").dirty
    git(folder, "checkout", "features.py")
    (folder / "fresh.py").write_text("")
    assert pack(folder / "model.py").dirty


@pytest.mark.parametrize(
    ("name", "told"), [("none.py", "does not exist"), ("lib", "is a folder"), ("notes.md", "is no Python file")]
)
def test_what_is_no_model_file_is_refused(folder: Path, name: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        pack(folder / name)


def test_too_many_files_are_refused(folder: Path) -> None:
    for i in range(200):
        (folder / f"m{i}.py").write_text("")
    with pytest.raises(InvalidInput, match="more than 200") as raised:
        pack(folder / "model.py")
    assert "folder with nothing but its own modules" in raised.value.hint


def test_too_much_code_is_refused(folder: Path) -> None:
    (folder / "big.py").write_bytes(b"#" * 5_000_001)
    with pytest.raises(InvalidInput, match="5,000,000 bytes"):
        pack(folder / "model.py")


def test_a_lone_parent_named_tests_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "tests" / "model.py"
    path.parent.mkdir()
    path.write_text("")
    (path.parent / "more.py").write_text("")
    assert list(pack(path).files) == ["model.py", "more.py"]
