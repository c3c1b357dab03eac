"""What a model needs to run, from the head of its file (inline script metadata, PEP 723) or its ``pyproject.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.spec.declared_at import DeclaredAt

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_OPENING = re.compile(r"(?m)^# /// script\s*$")
_TOML_LINE = re.compile(r"at line (\d+)")
_EXAMPLE = (
    '# /// script\n     # requires-python = ">=3.11"\n     # dependencies = ["polars", "scikit-learn"]\n     # ///'
)


@dataclass(frozen=True)
class ScriptMetadata:
    """Requirements as pip reads them, and the interpreters that will do (None: any)."""

    requirements: tuple[str, ...] = ()
    requires_python: str | None = None


def read_script_metadata(text: str, file: str) -> ScriptMetadata | None:
    """The metadata at the head of a script's text; None where it has none. ``file`` names it in errors.

    Raises DeclarationError with the line where the block is not closed, stands twice, is no TOML or is malformed.
    """
    text = text.replace("\r\n", "\n")
    text = text if text.endswith("\n") else text + "\n"
    openings = [text.count("\n", 0, match.start()) + 1 for match in _OPENING.finditer(text)]
    if not openings:
        return None
    first = DeclaredAt(file, openings[0])
    if len(openings) > 1:
        raise DeclaredAt(file, openings[1]).error("the file has two script headers", f"keep one, line {openings[0]}")
    blocks = [match for match in _BLOCK.finditer(text) if match["type"] == "script"]
    if not blocks:
        raise first.error(
            "the script header does not end",
            f"begin each of its lines with '# ' and end it with '# ///':\n     {_EXAMPLE}",
        )
    content = "".join(
        line[2:] if line.startswith("# ") else line[1:] for line in blocks[0]["content"].splitlines(keepends=True)
    )
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = openings[0] + int(found[1]) if found else openings[0]
        raise DeclaredAt(file, line).error(
            f"the script header is no TOML: {error}", f"write it as\n     {_EXAMPLE}"
        ) from error
    return _read_table(table, first)


def requirements_of(file: Path) -> ScriptMetadata:
    """What a model file needs: its own header, else the ``pyproject.toml`` of the package that it belongs to.

    A file without either needs nothing. Raises DeclarationError for a malformed one.
    """
    own = read_script_metadata(file.read_text(encoding="utf-8"), str(file))
    if own is not None:
        return own
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    for place in (folder, folder.parent):
        project = place / "pyproject.toml"
        if project.is_file():
            try:
                table = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {})
            except tomllib.TOMLDecodeError as error:
                raise DeclaredAt(str(project), 1).error(f"no TOML: {error}", "mend the file") from error
            return _read_table(table, DeclaredAt(str(project), 1))
    return ScriptMetadata()


def _read_table(table: Mapping[str, Any], at: DeclaredAt) -> ScriptMetadata:
    requirements = table.get("dependencies", [])
    if not isinstance(requirements, list) or not all(isinstance(r, str) and r.strip() for r in requirements):
        raise at.error(
            "dependencies is no list of requirements", 'write dependencies = ["polars", "scikit-learn>=1.6"]'
        )
    python = table.get("requires-python")
    if python is not None and not (isinstance(python, str) and python.strip()):
        raise at.error(f"requires-python is {python!r}", 'write requires-python = ">=3.11"')
    return ScriptMetadata(tuple(r.strip() for r in requirements), python.strip() if python else None)
