"""The prediction log behind the gateways: WAL segments become Parquet, exactly once.

A part is named by its segment and the offset it begins at, so that a recorder which was killed between writing a file
and committing it writes the same file again. The manifest alone says which files count.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from treadle.domain.errors import CorruptData, NotFound
from treadle.domain.predictions import PredictionPart, PredictionRecord, SegmentProgress
from treadle.spec.model_spec import ModelSpec
from treadle.storage.predictions.files import bring_to_disk, folder_name, held, write_parquet
from treadle.storage.predictions.frames import predictions_frame
from treadle.storage.predictions.wal import HEADER_BYTES, SUFFIX, UNBORN, Reading, is_abandoned, read_records
from treadle.storage.sql.store import SqlStore

logger = logging.getLogger("treadle.predictions")

BATCH_BYTES = 8 * 1024 * 1024
GRACE = timedelta(minutes=15)
MERGED = "merged"
_UNBORN_SECONDS = 3600.0

Specs = Callable[[str], ModelSpec | None]
"""The present declaration of a model by its name, or None for a model that was never applied."""


class ParquetPredictionLog:
    """``ports.PredictionLog`` over a home: ``wal/<gateway>/*.wal`` in, ``predictions/<model>/<day>/*.parquet`` out.

    The manifest is in ``store``; types, key and time follow from the model's newest applied declaration unless
    ``specs`` gives another. May be used by several threads and processes: one records at a time.
    """

    def __init__(self, home: Path, store: SqlStore, *, specs: Specs | None = None) -> None:
        self._home = home
        self._manifest = store.manifest
        self._specs = specs if specs is not None else _applied(store)
        self._wal = home / "wal"
        self._folder = home / "predictions"

    def record(self) -> int:
        """Turn everything that gateways have written so far into Parquet, exactly once; return the rows added.

        Segments that nobody writes to any more are deleted once all of their records are on the disk. What cannot be
        read is kept beside them as ``<segment>.damaged`` and logged.
        """
        with held(self._folder / ".record.lock", "recording predictions"):
            known = self._manifest.progress()
            present = self._segments()
            rows = sum(self._record(name, path, known.get(name)) for name, path in present.items())
            for name in known.keys() - present.keys():
                self._manifest.forget(name)
        return rows

    def parts(
        self, model: str, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[PredictionPart]:
        """Parts that may hold rows answered in ``[since, until)``, oldest first."""
        return [self._absolute(part) for part in self._manifest.predictions(model, since, until)]

    def compact(self, model: str, day: date) -> int:
        """Merge the parts of one model and day, best a finished one; return how many became one.

        Readers may go on: the old files are removed by a later call, once the grace is over.
        """
        with held(self._folder / ".compact.lock", "merging predictions"):
            self._sweep()
            old = self._manifest.of_day(model, day)
            if len(old) < 2:
                return 0
            name = hashlib.sha256("\n".join(part.path for part in old).encode()).hexdigest()[:16]
            path = self._day(model, day) / f"{MERGED}-{name}.parquet"
            frames = [pl.read_parquet(self._home / part.path) for part in old]
            try:
                frame = pl.concat(frames, how="diagonal_relaxed")
            except pl.exceptions.PolarsError as error:
                logger.warning("the parts of %s on %s stay apart, their types differ: %s", model, day, error)
                return 0
            write_parquet(frame, path)
            bring_to_disk(path)
            bring_to_disk(path.parent)
            first, last = min(part.first for part in old), max(part.last for part in old)
            new = PredictionPart(self._relative(path), model, day, frame.height, MERGED, first, last)
            if not self._manifest.merge(old, new, datetime.now(UTC)):
                return 0
        return len(old)

    def compact_finished(self, before: date) -> int:
        """Merge the parts of every model's days before ``before``; return how many parts went into others."""
        return sum(self.compact(model, day) for model, day in self._manifest.scattered_days(before))

    def _segments(self) -> dict[str, Path]:
        """Segments by ``<gateway>/<name>``, oldest first."""
        paths = sorted(self._wal.glob(f"*/*{SUFFIX}"), key=lambda path: (path.name, path.parent.name))
        for path in self._wal.glob(f"*/*{UNBORN}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _UNBORN_SECONDS and is_abandoned(path):
                    path.unlink()
        return {f"{path.parent.name}/{path.stem}": path for path in paths}

    def _record(self, segment: str, path: Path, known: SegmentProgress | None) -> int:
        offset = known.offset if known is not None else 0
        rows = 0
        closed = is_abandoned(path)
        if known is None or not known.closed:
            if not closed and path.stat().st_size <= max(offset, HEADER_BYTES):
                return 0
            try:
                while True:
                    reading = read_records(path, offset, limit=BATCH_BYTES, closed=closed)
                    rows += self._take_in(segment, path, offset, reading)
                    ended, offset = reading.offset <= max(offset, HEADER_BYTES), reading.offset
                    if ended or offset >= reading.size:
                        break
            except CorruptData as error:
                if closed:
                    self._set_aside(path, str(error))
            if closed:
                self._manifest.record(SegmentProgress(segment, offset, closed=True), [])
        if closed:
            self._finish(segment, path)
        return rows

    def _take_in(self, segment: str, path: Path, start: int, reading: Reading) -> int:
        if reading.damaged:
            self._set_aside(path, f"{reading.damaged} bytes of {path} are damaged; the records behind them were saved")
        if not reading.records and reading.offset == start:
            return 0
        groups: dict[tuple[str, date], list[PredictionRecord]] = {}
        for record in reading.records:
            groups.setdefault((record.model, record.at.astimezone(UTC).date()), []).append(record)
        parts = []
        for (model, day), records in groups.items():
            name = f"{segment.replace('/', '-')}-{start}.parquet"
            target = self._day(model, day) / name
            frame = predictions_frame(records, self._specs(model))
            write_parquet(frame, target)
            first, last = min(r.at for r in records), max(r.at for r in records)
            parts.append(PredictionPart(self._relative(target), model, day, frame.height, segment, first, last))
        self._manifest.record(SegmentProgress(segment, reading.offset), parts)
        return sum(part.rows for part in parts)

    def _finish(self, segment: str, path: Path) -> None:
        """Delete a segment that is fully recorded, once its parts and the manifest are on the disk itself."""
        folders = set()
        for part in self._manifest.of_segment(segment):
            bring_to_disk(self._home / part.path)
            folders.add((self._home / part.path).parent)
        for folder in folders:
            bring_to_disk(folder)
        self._manifest.make_durable()
        path.unlink(missing_ok=True)
        self._manifest.forget(segment)

    def _set_aside(self, path: Path, why: str) -> None:
        logger.error("%s; the segment is kept as %s.damaged", why, path.name)
        with contextlib.suppress(FileExistsError):
            os.link(path, path.with_name(path.name + ".damaged"))

    def _sweep(self) -> None:
        """Remove the files that were merged into others, once no reader can be at them any more."""
        retired = self._manifest.retired(datetime.now(UTC) - GRACE)
        for name in retired:
            (self._home / name).unlink(missing_ok=True)
        if retired:
            self._manifest.removed(retired)

    def _day(self, model: str, day: date) -> Path:
        return self._folder / folder_name(model) / day.isoformat()

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._home).as_posix()

    def _absolute(self, part: PredictionPart) -> PredictionPart:
        return dataclasses.replace(part, path=str(self._home / part.path))


def _applied(store: SqlStore) -> Specs:
    """Declarations out of the store, parsed once for each text."""
    parsed: dict[str, tuple[str, ModelSpec]] = {}

    def spec(model: str) -> ModelSpec | None:
        try:
            text = store.models.get(model).spec_json
        except NotFound:
            return None
        known = parsed.get(model)
        if known is None or known[0] != text:
            known = parsed[model] = (text, ModelSpec.from_json(text))
        return known[1]

    return spec
