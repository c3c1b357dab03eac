"""Outcomes as Parquet files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from treadle.domain.predictions import OutcomePart
from treadle.storage.predictions.files import folder_name, take_over
from treadle.storage.sql.store import SqlStore


class ParquetOutcomes:
    """``ports.Outcomes`` over a home: ``outcomes/<model>/<sha256>.parquet``, with the manifest in ``store``."""

    def __init__(self, home: Path, store: SqlStore) -> None:
        self._home = home
        self._manifest = store.manifest

    def append(self, part: OutcomePart, source: Path) -> OutcomePart:
        """Take a Parquet file over into the store; the same file again is no change. The part as it is kept."""
        path = take_over(source, self._home / "outcomes" / folder_name(part.model))
        kept = dataclasses.replace(part, path=path.relative_to(self._home).as_posix())
        return self._absolute(self._manifest.add_outcomes(kept))

    def parts(self, model: str, received_since: datetime | None = None) -> Sequence[OutcomePart]:
        """Parts received at or after a time, in the order received."""
        return [self._absolute(part) for part in self._manifest.outcomes(model, received_since)]

    def _absolute(self, part: OutcomePart) -> OutcomePart:
        return dataclasses.replace(part, path=str(self._home / part.path))
