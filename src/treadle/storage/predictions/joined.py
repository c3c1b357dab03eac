"""Predictions joined with their outcomes, as Parquet files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from treadle.domain.predictions import JoinedPart
from treadle.storage.predictions.files import folder_name, take_over
from treadle.storage.sql.store import SqlStore


class ParquetJoinedLog:
    """``ports.JoinedLog`` over a home: ``joined/<model>/<sha256>.parquet``, with the manifest in ``store``."""

    def __init__(self, home: Path, store: SqlStore) -> None:
        self._home = home
        self._manifest = store.manifest

    def append(self, part: JoinedPart, source: Path) -> JoinedPart:
        """Take a Parquet file over into the store; the same content again is no change. The part as it is kept."""
        path = take_over(source, self._home / "joined" / folder_name(part.model))
        kept = dataclasses.replace(part, path=path.relative_to(self._home).as_posix())
        return self._absolute(self._manifest.add_joined(kept))

    def parts(self, model: str, since: datetime | None = None, until: datetime | None = None) -> Sequence[JoinedPart]:
        """Parts that may hold rows answered in ``[since, until)``, in the order joined."""
        return [self._absolute(part) for part in self._manifest.joined(model, since, until)]

    def _absolute(self, part: JoinedPart) -> JoinedPart:
        return dataclasses.replace(part, path=str(self._home / part.path))
