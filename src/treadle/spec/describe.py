"""From a model's module to its specification."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

from treadle.spec.declared_at import DeclaredAt
from treadle.spec.model import Model
from treadle.spec.model_spec import ModelSpec
from treadle.spec.script_metadata import requirements_of


def find_model(module: ModuleType) -> Model[Any, Any]:
    """The one model that a module declares. Raises DeclarationError where there is none, or more than one."""
    found: list[Model[Any, Any]] = []
    for value in vars(module).values():
        if isinstance(value, Model) and not any(value is known for known in found):
            found.append(value)
    file = str(getattr(module, "__file__", None) or module.__name__)
    if not found:
        raise DeclaredAt(file, 1).error("the file declares no model", 'write model = Model("name", Row, label=...)')
    if len(found) > 1:
        names = " and ".join(f"{model.name} (line {model.at.line})" for model in found)
        raise found[1].at.error(f"the file declares more than one model: {names}", "give each model a file of its own")
    return found[0]


def describe(module: ModuleType) -> ModelSpec:
    """The specification of the one model that an imported module declares, with what the module needs to run.

    Raises DeclarationError for what is missing or contradictory.
    """
    spec = find_model(module).spec()
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        return spec
    needs = requirements_of(Path(file))
    return dataclasses.replace(spec, requirements=needs.requirements, requires_python=needs.requires_python)
