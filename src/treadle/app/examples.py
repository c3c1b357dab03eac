"""Where the examples lie: in the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

import treadle
from treadle.domain.errors import NotFound


def example_file(name: str) -> Path:
    """The model file of an example. Raises NotFound."""
    package = Path(treadle.__file__).parent
    for folder in (package / "examples", package.parent.parent / "examples"):
        path = folder / name / "model.py"
        if path.is_file():
            return path
    raise NotFound(f"there is no example {name!r} beside this Treadle", hint="run it from a checkout of the repository")
