"""Which files make up a model's code."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from treadle.domain import codec
from treadle.domain.errors import InvalidInput, NotFound
from treadle.domain.models import CodeTree
from treadle.ports.blobs import Blobs

MAX_FILES = 500
MAX_BYTES = 10 * 1024 * 1024
MAX_FOLDERS = 2000

_NOT_CODE = frozenset({"__pycache__", "node_modules", "site-packages", "tests", "test", "build", "dist", "venv"})
_MARKS = ("pyvenv.cfg", "treadle.db")
"""Files that mark a folder as a virtual environment, or a home of Treadle's."""


@dataclass(frozen=True)
class CodeFiles:
    """A model's files on disk: ``files`` maps a path relative to ``root`` to the file; ``entry`` is the model's."""

    entry: str
    files: dict[str, Path]
    root: Path
    commit: str | None = None
    dirty: bool = False


def find_code(model_file: Path) -> CodeFiles:
    """The model file and the other Python files in and below its folder, with the git commit that they are at.

    A model in a package brings the whole package. Left out are hidden folders, environments, caches, tests and what
    links point to elsewhere. Raises NotFound for a missing file, InvalidInput for what is no model file or too large.
    """
    file = model_file.expanduser().absolute()
    if not file.is_file():
        raise NotFound(f"there is no file {model_file}", hint="give the path of a model file, such as model.py")
    if file.suffix != ".py":
        raise InvalidInput(f"{model_file} is no Python file", hint="give the path of a model file, such as model.py")
    file = file.parent.resolve() / file.name
    root = file.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    entry = file.relative_to(root).as_posix()
    files = {entry: file}
    within = root / Path(entry).parts[0] if root != file.parent else root
    size = file.stat().st_size
    for path in _python_files(within, file):
        files[path.relative_to(root).as_posix()] = path
        size += path.stat().st_size
        if len(files) > MAX_FILES or size > MAX_BYTES:
            raise _too_large(root, f"more than {MAX_FILES} Python files, or {MAX_BYTES // 1024**2} MB of them")
    commit, dirty = _commit(root)
    return CodeFiles(entry, dict(sorted(files.items())), root, commit, dirty)


def pack(model_file: Path, blobs: Blobs) -> CodeTree:
    """Store a model's files as blobs, and describe them. Raises what :func:`find_code` raises."""
    found = find_code(model_file)
    files = {name: blobs.put(path.read_bytes()) for name, path in found.files.items()}
    digest = codec.digest({"entry": found.entry, "files": files})
    return CodeTree(found.entry, files, digest, str(found.root), found.commit, found.dirty)


def is_left_out(folder: str, name: str) -> bool:
    """Whether a folder ``name`` in ``folder`` holds no code of a model's."""
    if name.startswith(".") or name in _NOT_CODE:
        return True
    return any(os.path.lexists(os.path.join(folder, name, mark)) for mark in _MARKS)  # noqa: PTH118


def _python_files(folder: Path, entry: Path) -> Iterator[Path]:
    for seen, (place, folders, names) in enumerate(os.walk(folder)):
        if seen >= MAX_FOLDERS:
            raise _too_large(folder, f"more than {MAX_FOLDERS} folders")
        folders[:] = sorted(name for name in folders if not is_left_out(place, name))
        for name in sorted(names):
            path = Path(place, name)
            tests = name.startswith("test_") or name == "conftest.py"
            if name.endswith(".py") and not tests and path != entry and _is_inside(path, folder):
                yield path


def _is_inside(path: Path, folder: Path) -> bool:
    return path.is_file() and (not path.is_symlink() or path.resolve().is_relative_to(folder))


def _too_large(folder: Path, what: str) -> InvalidInput:
    return InvalidInput(f"{folder} holds {what}", hint="put the model file into a folder of its own")


def _commit(root: Path) -> tuple[str | None, bool]:
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return None, False
    return head.strip(), bool((_git(root, "status", "--porcelain", "--", "*.py") or "").strip())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
