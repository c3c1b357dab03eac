"""Which source a text names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from treadle.domain.errors import InvalidInput
from treadle.sdk.mlflow.database import DatabaseSource
from treadle.sdk.mlflow.folders import FolderSource
from treadle.sdk.mlflow.records import Source
from treadle.sdk.mlflow.rest import Remote, RestSource, checked_url

BESIDE = "mlartifacts"
"""Where MLflow's server keeps its clients' artifacts unless it is told otherwise."""


def open_source(uri: str, artifacts: Path | None = None) -> Source:
    """A server (``http://...``), a database (``sqlite:///mlflow.db``) or a folder (``./mlruns``).

    ``artifacts`` is where a server kept what its clients know as ``mlflow-artifacts:/...``; ``mlartifacts`` beside the
    database or folder by default. Raises InvalidInput for anything else.
    """
    scheme = urlsplit(uri).scheme
    if scheme in {"http", "https"}:
        return RestSource(Remote(checked_url(uri)))
    if scheme == "sqlite":
        path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
        return DatabaseSource(path, artifacts or _beside(path))
    if scheme in {"", "file"}:
        path = Path(unquote(urlsplit(uri).path) if scheme == "file" else uri).expanduser()
        if path.is_file():
            return DatabaseSource(path, artifacts or _beside(path))
        return FolderSource(path, artifacts or _beside(path))
    raise InvalidInput(
        f"{uri!r} cannot be read",
        hint="give the address of MLflow's server, sqlite:///mlflow.db, or a folder such as ./mlruns; "
        "for other databases start MLflow's server on it and give its address",
    )


def _beside(path: Path) -> Path | None:
    found = path.absolute().parent / BESIDE
    return found if found.is_dir() else None
