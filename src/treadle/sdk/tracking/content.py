"""Content of artifacts: where it goes in a run, and figures and tables as files."""

from __future__ import annotations

import json
import math
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from treadle.domain.errors import InvalidInput


def artifact_path(path: str) -> str:
    """A path within a run. Raises InvalidInput for one that leaves it."""
    found = posixpath.normpath(path.replace("\\", "/"))
    if not path or found in {".", ".."} or found.startswith(("/", "../")) or "\0" in found or ":" in found[:2]:
        raise InvalidInput(f"{path!r} is no path within a run", hint="write it as plots/curve.png")
    return found


@contextmanager
def figure_file(figure: Any, path: str) -> Iterator[Path]:
    """A figure as a file of the format that ``path`` ends in. Raises InvalidInput for what is no figure."""
    with tempfile.TemporaryDirectory(prefix="treadle-") as folder:
        file = Path(folder) / posixpath.basename(path)
        if not file.suffix:
            raise InvalidInput(f"{path!r} does not say which format", hint=f"write {path}.png or {path}.html")
        _write_figure(figure, file)
        yield file


def _write_figure(figure: Any, file: Path) -> None:
    html = file.suffix in {".html", ".htm"}
    if hasattr(figure, "figure") and not hasattr(figure, "savefig"):
        figure = figure.figure  # axes, plots of seaborn
    if hasattr(figure, "savefig"):  # matplotlib
        figure.savefig(file, bbox_inches="tight")
    elif html and hasattr(figure, "write_html"):  # plotly
        figure.write_html(file)
    elif hasattr(figure, "write_image"):
        figure.write_image(file)
    elif hasattr(figure, "save"):  # Pillow, altair
        figure.save(str(file))
    elif html and hasattr(figure, "to_html"):
        file.write_text(figure.to_html())
    else:
        raise InvalidInput(
            f"a {type(figure).__qualname__} cannot be kept as {file.suffix}",
            hint="give a figure of matplotlib, plotly or altair, or an image; other files go to run.artifact",
        )


def table_json(rows: Any) -> bytes:
    """A table as ``{"columns": [...], "data": [[...], ...]}``. Raises InvalidInput for what is no table."""
    columns, data = _table(rows)
    return json.dumps({"columns": columns, "data": data}, default=_plain, allow_nan=True).encode()


def _table(rows: Any) -> tuple[list[str], list[list[Any]]]:
    if hasattr(rows, "to_pylist"):  # pyarrow
        rows = rows.to_pydict()
    elif hasattr(rows, "to_dicts"):  # polars
        return list(rows.columns), [list(row) for row in rows.iter_rows()]
    elif hasattr(rows, "itertuples"):  # pandas
        return [str(name) for name in rows.columns], [list(row) for row in rows.itertuples(index=False, name=None)]
    if isinstance(rows, Mapping):
        values = [list(column) for column in rows.values()]
        if len({len(column) for column in values}) > 1:
            raise InvalidInput("the columns of the table are not equally long", hint="give each a value for every row")
        return [str(name) for name in rows], [list(row) for row in zip(*values, strict=True)]
    if isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in rows):
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return [str(name) for name in columns], [[row.get(name) for name in columns] for row in rows]
    raise InvalidInput(
        f"a {type(rows).__qualname__} is no table", hint="give a frame, a list of mappings, or a mapping of columns"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if hasattr(value, "tolist"):
        found = value.tolist()
        return None if isinstance(found, float) and math.isnan(found) else found
    return str(value)
