"""Snapshots: rows kept by what they say, not by how Parquet wrote them.

Rows are put in order of time and cut into months; each month is one Parquet blob, named by the sha256 of its
columns' values. A month that an earlier snapshot of the model holds already is not written again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from treadle.data.rules import DTYPES
from treadle.domain import codec
from treadle.domain.data import Snapshot, SnapshotChunk
from treadle.domain.errors import CorruptData
from treadle.evaluation.profiling import profile
from treadle.ports.blobs import Blobs
from treadle.ports.snapshots import Snapshots
from treadle.spec.model_spec import ModelSpec

RECENT = 5
"""How many earlier snapshots of a model are looked through for months that did not change."""


class SnapshotStore:
    """Takes snapshots and gives their rows back."""

    def __init__(self, blobs: Blobs, snapshots: Snapshots) -> None:
        self._blobs = blobs
        self._snapshots = snapshots

    def take(self, spec: ModelSpec, frame: pl.DataFrame, as_of: datetime, code_digest: str) -> Snapshot:
        """Store rows that conform to ``spec``, in the order of :func:`ordered`, and their record."""
        known = {
            chunk.content_digest: chunk
            for snapshot in self._snapshots.list(spec.name)[:RECENT]
            for chunk in snapshot.chunks
        }
        chunks = tuple(self._chunk(name, part, known) for name, part in partitions(frame, spec.time))
        schema = {name: _declared(dtype) for name, dtype in frame.schema.items()}
        times = frame.get_column(spec.time) if spec.time is not None and frame.height else None
        snapshot = Snapshot(
            digest=codec.digest({"schema": schema, "chunks": [(c.partition, c.content_digest) for c in chunks]}),
            model=spec.name,
            rows=frame.height,
            labelled=frame.height - frame.get_column(spec.label).null_count(),
            start=None if times is None else times.dt.min(),  # type: ignore[arg-type]
            until=as_of,
            as_of=as_of,
            schema=schema,
            chunks=chunks,
            profile=profile(frame, [column for column in spec.columns if column.name != spec.key]),
            code_digest=code_digest,
        )
        self._snapshots.put(snapshot)
        return snapshot

    def load(self, snapshot: Snapshot) -> pl.DataFrame:
        """All rows of a snapshot, oldest first.

        Raises NotFound for a blob that is gone, CorruptData where rows are not those of the record.
        """
        if not snapshot.chunks:
            return pl.DataFrame(schema={name: DTYPES[declared] for name, declared in snapshot.schema.items()})
        frame = pl.concat([read(self._blobs, chunk.blob) for chunk in snapshot.chunks], rechunk=False)
        if frame.height != snapshot.rows:
            raise CorruptData(
                f"snapshot {snapshot.digest[:12]} has {frame.height} rows, its record says {snapshot.rows}",
                hint="restore the blobs from a backup, or collect the data again",
            )
        return frame

    def _chunk(self, partition: str, frame: pl.DataFrame, known: dict[str, SnapshotChunk]) -> SnapshotChunk:
        digest = content_digest(frame)
        before = known.get(digest)
        kept = before is not None and self._blobs.has(before.blob)
        blob = before.blob if before is not None and kept else write(self._blobs, frame)
        return SnapshotChunk(partition, frame.height, digest, blob)


def ordered(frame: pl.DataFrame, spec: ModelSpec) -> pl.DataFrame:
    """Rows by time, then key (without a key: then all other columns), so that a source may give them in any order.

    Rows without a time column stay in the order in which they came.
    """
    if spec.time is None:
        return frame
    by = [spec.time, spec.key] if spec.key is not None else [spec.time, *(c for c in frame.columns if c != spec.time)]
    keys = frame.select(by)
    if keys.select(by[:1]).to_series().is_sorted() and _ties_sorted(keys, by):
        return frame
    return frame.sort(by, maintain_order=True)


def _ties_sorted(keys: pl.DataFrame, by: Sequence[str]) -> bool:
    if len(by) != 2:
        return False
    time, key = pl.col(by[0]), pl.col(by[1])
    wrong = (time == time.shift(1)) & (key < key.shift(1))
    return not keys.select(wrong.any()).item()


def partitions(frame: pl.DataFrame, time: str | None) -> Iterator[tuple[str, pl.DataFrame]]:
    """Rows in order of time, cut into months (UTC), without a copy. Without a time column: one part, ``all``."""
    if not frame.height:
        return
    if time is None:
        yield "all", frame
        return
    months = frame.select(pl.col(time).dt.truncate("1mo").rle()).unnest(time)
    start = 0
    for length, month in months.iter_rows():
        yield f"{month:%Y-%m}", frame.slice(start, length)
        start += length


def content_digest(frame: pl.DataFrame) -> str:
    """The sha256 of names, types and values, whatever wrote, cut or compressed them.

    For each column in turn: its name, declared type and length, a bit per row that tells of missing values, and the
    values in little-endian order (missing ones as zero; text as byte lengths and then UTF-8; booleans as bits; minus
    zero as zero).
    """
    state = hashlib.sha256()
    for series in frame.iter_columns():
        state.update(f"{series.name}\0{_declared(series.dtype)}\0{len(series)}\0".encode())
        missing = series.is_null()
        state.update(np.packbits(missing.to_numpy()).data)
        for part in _canonical(series):
            state.update(part)
    return state.hexdigest()


def _canonical(series: pl.Series) -> Iterator[memoryview | bytes]:
    dtype = series.dtype
    if isinstance(dtype, pl.String):
        text = series.fill_null("")
        yield np.ascontiguousarray(text.str.len_bytes().to_numpy().astype("<i8")).data
        yield text.str.join("").item().encode()
    elif isinstance(dtype, pl.Boolean):
        yield np.packbits(series.fill_null(value=False).to_numpy()).data
    elif isinstance(dtype, pl.Float64):
        yield np.ascontiguousarray((series.fill_null(0.0).to_numpy() + 0.0).astype("<f8", copy=False)).data
    else:
        whole = series.to_physical().cast(pl.Int64).fill_null(0).to_numpy()
        yield np.ascontiguousarray(whole.astype("<i8", copy=False)).data


def write(blobs: Blobs, frame: pl.DataFrame) -> str:
    """Store rows as one Parquet blob and return its digest."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1)
    return blobs.put(buffer.getvalue())


def read(blobs: Blobs, digest: str) -> pl.DataFrame:
    """The rows of a Parquet blob. Raises NotFound."""
    path = blobs.path(digest)
    return pl.read_parquet(path if path is not None else io.BytesIO(blobs.get(digest)))


def _declared(dtype: pl.DataType) -> str:
    """The declared name of a conformed column's type."""
    return next(name for name, known in DTYPES.items() if known == dtype)
