"""Importing a model's code from its folder, so that several models share one process and pickles load anywhere."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from treadle.domain.errors import InvalidInput, NotFound
from treadle.spec.describe import describe, find_model
from treadle.spec.model import Model
from treadle.spec.model_spec import ModelSpec

KEPT = 8
"""So many code trees stay imported in one process."""


@dataclass(frozen=True)
class LoadedModel:
    """A model file, imported. ``folder`` is its code tree's."""

    model: Model[Any, Any]
    spec: ModelSpec
    module: ModuleType
    folder: Path


def module_name(folder: Path, entry: str) -> tuple[str, Path]:
    """The name under which a model file is imported, and the folder that its imports are found in.

    The name is the file's stem, within the packages that it lies in, so that a pickle made with the file loads in any
    process that has imported the same file. A stem that would hide a module of the environment gets the prefix
    ``treadle_model_``.
    """
    file = folder / entry
    parts, base = [re.sub(r"\W", "_", file.stem)], file.parent
    while (base / "__init__.py").is_file() and base != folder.parent:
        parts.insert(0, base.name)
        base = base.parent
    if len(parts) == 1 and _is_taken(parts[0], base):
        parts[0] = f"treadle_model_{parts[0]}"
    return ".".join(parts), base


class CodeLoader:
    """Imports model files and keeps them by the digest of their code tree; one tree is active at a time.

    Not safe for several threads, since the interpreter's module table is shared.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[LoadedModel, dict[str, ModuleType], Path]] = OrderedDict()
        self._active: str | None = None

    def load(self, digest: str, folder: Path, entry: str) -> LoadedModel:
        """The model of a file; imported at the first call for its tree, then as it was left.

        Its siblings can be imported by name, and hidden again when another tree is loaded. Raises NotFound for a
        missing file, DeclarationError for a wrong declaration, and whatever the file's own code raises.
        """
        key = f"{digest}:{entry}"
        if self._active != key:
            self._deactivate()
            if key in self._kept:
                _, modules, base = self._kept[key]
                sys.path.insert(0, str(base))
                sys.modules.update(modules)
            else:
                self._import(key, folder, entry)
            self._active = key
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def _import(self, key: str, folder: Path, entry: str) -> None:
        file = folder / entry
        if not file.is_file():
            raise NotFound(f"there is no model file {entry} in {folder}", hint="check the path, and apply it again")
        name, base = module_name(folder, entry)
        importlib.invalidate_caches()
        sys.path.insert(0, str(base))
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            module = _execute(name, file)
            loaded = LoadedModel(find_model(module), describe(module), module, folder)
        except BaseException:
            self._forget(folder, base)
            raise
        finally:
            sys.dont_write_bytecode = writes
        self._kept[key] = (loaded, {}, base)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _deactivate(self) -> None:
        if self._active is None:
            return
        loaded, _, base = self._kept[self._active]
        self._kept[self._active] = (loaded, self._forget(loaded.folder, base), base)
        self._active = None

    @staticmethod
    def _forget(folder: Path, base: Path) -> dict[str, ModuleType]:
        """Take the tree's modules out of the interpreter's table and path; return them by name."""
        inside = str(folder) + os.sep
        own = {
            name: module
            for name, module in list(sys.modules.items())
            if str(getattr(module, "__file__", None) or _package_path(module)).startswith(inside)
        }
        for name in own:
            del sys.modules[name]
        if str(base) in sys.path:
            sys.path.remove(str(base))
        sys.path_importer_cache.pop(str(base), None)
        return own


def _execute(name: str, file: Path) -> ModuleType:
    package = name.rpartition(".")[0]
    if package:
        importlib.import_module(package)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{file.name} is no Python file", hint="a model file ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _package_path(module: ModuleType) -> str:
    """Where a namespace package lies, which has no file."""
    paths = list(getattr(module, "__path__", None) or [])
    return str(paths[0]) + os.sep if paths else ""


def _is_taken(stem: str, base: Path) -> bool:
    if stem in sys.stdlib_module_names or stem == "treadle":
        return True
    elsewhere = [entry for entry in sys.path if entry and Path(entry) != base]
    return importlib.machinery.PathFinder.find_spec(stem, elsewhere) is not None
