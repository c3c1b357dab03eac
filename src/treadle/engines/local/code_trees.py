"""Code trees laid out on this machine, with the data files that lie beside the code."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from treadle.domain.errors import CorruptData, NotFound
from treadle.domain.models import CodeTree
from treadle.engines.local.packing import is_left_out
from treadle.ports.blobs import Blobs

_READ_ONLY = 0o444


class LocalCodeTrees:
    """Fulfils the port CodeTrees: trees lie at ``home/code/<digest>``.

    What lies beside the code in a tree's ``root`` and is no code (data files, folders of them) appears in the tree as
    links, so that ``Path(__file__).parent / "rows.parquet"`` is found in steps too. Only the code is addressed by
    content; equal code from several roots is linked to the root that asked last.
    """

    def __init__(self, home: Path, blobs: Blobs) -> None:
        self._folder = home.absolute() / "code"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._blobs = blobs
        self._linking = threading.Lock()

    def checkout(self, tree: CodeTree) -> str:
        """Lay a tree out unless it is there; return the absolute path of its folder.

        Raises NotFound where a file's blob is gone, CorruptData for paths that lead out of the tree.
        """
        target = self._folder / tree.digest
        if not target.is_dir():
            self._lay_out(tree, target)
        self._link(target, tree.root)
        return str(target)

    def folder(self, digest: str, root: str = "") -> Path:
        """The folder of a tree that was checked out, its links brought up to date with ``root``. Raises NotFound."""
        target = self._folder / digest
        if not digest.isalnum() or not target.is_dir():
            raise NotFound(f"code {digest[:12]} is not on this machine", hint="apply the model again")
        self._link(target, root)
        return target

    def _link(self, target: Path, root: str) -> None:
        with self._linking:
            link_data(target, Path(root) if root else None)

    def _lay_out(self, tree: CodeTree, target: Path) -> None:
        building = Path(tempfile.mkdtemp(dir=self._folder, prefix=".building-"))
        try:
            for name, digest in tree.files.items():
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts:
                    raise CorruptData(f"{name!r} of code {tree.digest[:12]} leads out of its folder")
                file = building / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(self._blobs.get(digest))
                file.chmod(_READ_ONLY)
            building.chmod(0o755)
            with contextlib.suppress(OSError):  # another process was faster: the same tree
                building.rename(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)


def link_data(tree: Path, root: Path | None) -> None:
    """Link what lies in ``root`` and is no code into ``tree``; links whose target is gone are taken away."""
    if root is None or not root.is_dir():
        return
    _link_folder(tree, root, {entry.name for entry in tree.iterdir() if not entry.is_symlink()})


def _link_folder(tree: Path, root: Path, own: Collection[str]) -> None:
    wanted: dict[str, str] = {}
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name in own:
                if entry.is_dir() and (tree / entry.name).is_dir():
                    below = tree / entry.name
                    _link_folder(below, Path(entry.path), {e.name for e in below.iterdir() if not e.is_symlink()})
                continue
            hidden = entry.name.startswith(".") or entry.name.endswith((".py", ".pyc"))
            if not hidden and not (entry.is_dir() and is_left_out(str(root), entry.name)):
                wanted[entry.name] = entry.path
    for link in tree.iterdir():
        if link.is_symlink() and link.name not in wanted and not link.name.startswith(".link-"):
            link.unlink(missing_ok=True)
    for name, target in wanted.items():
        _link(tree / name, target)


def _link(link: Path, target: str) -> None:
    with contextlib.suppress(OSError):
        if link.readlink() == Path(target):
            return
    part = link.with_name(f".link-{os.getpid()}-{link.name}")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)
